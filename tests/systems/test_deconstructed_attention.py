"""What the record of Deconstructing Attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.testing import assert_close

import attn
from attn.compiler.cost import graph_cost
from attn.compiler.graph import Graph
from attn.compiler.types import TensorType

from .cases.deconstructed_attention import FILE, IDS, MIXINGS, SOURCES, TEXT, taylor
from .plain import attention, causal
from .support import CLOSE, Case, parameters

SIZES = {"V": 11, "D": 12, "heads": 2}


def layer(mixing: str, *given: str) -> Any:
    bind = {"D": 12, "heads": 2, "mixing": mixing}
    return Case(FILE, "deconstructed", lambda w, x: x, (), bind, given=given).module()


def tokens(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def decoder(**way: Any) -> Any:
    given = ("text",) if way.get("source") == "fixed" else ()
    return Case(FILE, "decoder", lambda w, x: x, (), {**SIZES, "length": 9, **way}, given=given).module()


def graph(**way: Any) -> Graph:
    return attn.load(FILE, "decoder").graph({**SIZES, "depth": 2, **way}, ("text",) if way.get("source") == "fixed" else ())


@pytest.mark.system("deconstructed-attention", "Queries and keys from the embeddings are standard attention in layer 0.")
def test_embeddings_are_the_input_of_the_first_layer() -> None:
    one, other = decoder(source="embedding", depth=1), decoder(depth=1)
    assert torch.equal(one(IDS), other(IDS))
    two, deep = decoder(source="embedding", depth=2), decoder(depth=2)
    assert not torch.allclose(two(IDS), deep(IDS))


@pytest.mark.system("deconstructed-attention", "With queries and keys from another sequence, the result is linear in the values' input.")
@pytest.mark.parametrize("mixing", ["softmax", "taylor", "running"])
def test_the_result_is_linear_in_the_values(mixing: str) -> None:
    made, source = layer(mixing, "source"), tokens(7, 12)
    x, y = tokens(2, 2, 7, 12)
    assert_close(made(2 * x - 3 * y, source), 2 * made(x, source) - 3 * made(y, source), **CLOSE)


@pytest.mark.system("deconstructed-attention", "With random or fixed sources no map depends on the input: queries and keys have no batch.")
def test_maps_do_not_depend_on_the_input() -> None:
    for source in SOURCES:
        made = [node.type for node in graph(source=source).nodes if node.op == "linear" and node.name in ("q", "k")]
        assert {found.has("B") for found in made if isinstance(found, TensorType)} == {source in ("own", "embedding")}


@pytest.mark.system("deconstructed-attention", "Without mixing no token has any effect on another: their Jacobian is exactly zero.")
def test_without_mixing_tokens_are_apart() -> None:
    x, apart = tokens(5, 12), ~torch.eye(5, dtype=torch.bool)
    alone, together = (jacobian(layer(mixing), x).movedim(2, 1) for mixing in ("off", "softmax"))
    assert not bool(alone[apart].any())
    assert bool(alone[~apart].any(dim=(1, 2)).all())
    assert bool(together[causal(5) & apart].any(dim=(1, 2)).all())


@pytest.mark.system("deconstructed-attention", "The running softmax is the map A_ij = exp(s_j) / sum of exp(s_m) for m up to i.")
def test_the_running_softmax_is_a_map() -> None:
    q, k, v = tokens(3, 2, 3, 7, 4)
    s = (torch.nn.functional.silu(q) * k).sum(-1) / 2
    a = s[..., None, :].expand(2, 3, 7, 7).masked_fill(~causal(7), -torch.inf).softmax(-1)
    assert_close(attn.compile("std.linear", "running_softmax", dtype=torch.float64)(q, k, v), a @ v, **CLOSE)


@pytest.mark.system("deconstructed-attention", "The Taylor form with running sums is the masked polynomial, over joint or own sums.")
@pytest.mark.parametrize("joint", [True, False])
def test_taylor_with_running_sums_is_the_polynomial(joint: bool) -> None:
    q, k, v = tokens(3, 2, 3, 7, 4)
    for form in ("factorised", "quadratic"):
        made = attn.compile("std.linear", "taylor_attend", bind={"joint": joint, "form": form}, dtype=torch.float64)
        assert_close(made(q, k, v), taylor({}, q, k, v, joint), rtol=1e-9, atol=1e-9)
    near = attn.compile("std.linear", "taylor_attend", dtype=torch.float64)(q / 1000, k, v)
    assert_close(near, attention(q / 1000, k, v, causal(7)), rtol=1e-7, atol=1e-7)


@pytest.mark.system("deconstructed-attention", "Every variant of a layer has 4 D D parameters, at the widths 768 and 3072.")
def test_every_variant_has_the_same_number_of_parameters() -> None:
    for width in (768, 3072):
        assert {parameters(FILE, "deconstructed", D=width, heads=4, mixing=mixing) for mixing in MIXINGS} == {4 * width**2}


@pytest.mark.system(
    "deconstructed-attention", "All 16 decoders of the grid of mixings and sources are made, with one number of parameters."
)
def test_the_whole_grid() -> None:
    grid = [{"mixing": mixing, "source": source} for mixing in MIXINGS for source in SOURCES]
    sizes = {graph_cost(graph(depth=1, **way)).parameters for way in grid}
    assert len(grid) == 16
    assert len(sizes) == 1


@pytest.mark.system("deconstructed-attention", "A hybrid changes layers 1, 3, ...; leaving those out keeps the weights of the others.")
def test_a_hybrid_may_skip_its_changed_layers() -> None:
    whole, rest = decoder(hybrid=True, mixing="off", depth=4), decoder(hybrid=True, mixing="off", depth=4, skip=True)
    kept = {name for name in whole.state_dict() if not name.startswith(("layers.1.", "layers.3."))}
    assert set(rest.state_dict()) == kept
    standard = decoder(depth=2)
    renamed = {name.replace("layers.2.", "layers.1."): value for name, value in rest.state_dict().items()}
    standard.load_state_dict(renamed)
    assert_close(rest(IDS), standard(IDS), **CLOSE)


@pytest.mark.system("deconstructed-attention", "With a fixed text, the result for that very text is that of the standard decoder.")
def test_a_fixed_text_is_itself() -> None:
    fixed, standard = decoder(source="fixed", depth=2), decoder(depth=2)
    assert_close(fixed(TEXT[None], TEXT), standard(TEXT[None]), **CLOSE)
