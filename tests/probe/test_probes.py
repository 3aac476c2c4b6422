"""A probe gives the values that the program names, at every level, and changes nothing of what the module computes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

import attn
from attn.compiler.program import BlockProgram, load_unit
from attn.compiler.verify.programs import bindings
from attn.compiler.verify.settings import Setting, fitting, inputs_for
from attn.dsl.loader import Library

NET = """
block layer(x: [*, N, D], heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    y = attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N))
    return x + linear(y, h d -> D) as out
}

block net(x: [*, N, D]) -> [*, N, D] {
    for i in 0..3 { x = layer(x) as layers[i] }
    return x
}
"""


def net(**options: Any) -> Any:
    torch.manual_seed(0)
    return attn.compile(attn.text(NET), D=8, dtype="float64", **options)


def direct(q: Tensor, k: Tensor) -> Tensor:
    """Causal weights of q and k [.., N, h, d]."""
    s = torch.einsum("...nhd,...mhd->...hnm", q, k) * q.shape[-1] ** -0.5
    return torch.where(torch.ones(s.shape[-2:]).tril().bool(), s, -torch.inf).softmax(-1)


# Small blocks whose values are merged, folded, fused and stepped through.
BLOCKS = (
    "std.heads:gqa", "std.layers:encoder", "std.channel:cbam", "std.windows:window_mha", "std.linear:efficient_attention",
    "std.channel_tokens:xca", "std.recurrence:gru", "std.recurrence:delta_rule",
)  # fmt: skip


def tuple_of(result: Any) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_named_value_is_the_same_at_every_level(name: str) -> None:
    module, _, block = name.partition(":")
    unit = load_unit(module)[0]
    program = BlockProgram(unit, unit.blocks[block])
    bound = bindings(program, {}, ())[0]
    graph = program.graph(bound)
    sizes = fitting(graph, (4, 5, 6, 7, 8, 14), 1, {"*": 2})
    assert sizes is not None
    inputs = inputs_for(graph, sizes, Setting(bind=bound, free=sizes))
    written = attn.compile(program, bind=bound, level=0, dtype="float64").eval()
    seen = looked(written, inputs)
    assert len(seen) > 0
    for mode in ("train", "infer"):
        module = attn.compile(program, bind=bound, level=2, mode=mode, dtype="float64").eval()
        module.load_state_dict(written.state_dict())
        for found, expected in zip(looked(module, inputs).values(), seen.values(), strict=True):
            assert (found.name, found.axes) == (expected.name, expected.axes)
            torch.testing.assert_close(
                found.tensor, expected.tensor, rtol=1e-9, atol=1e-9, msg=lambda text, found=found: f"{found}: {text}"
            )


def looked(module: Any, inputs: dict[str, Tensor]) -> Any:
    """All that is named; the result has to be that of a run without a probe, to the bit."""
    before = tuple_of(module(**inputs))
    with module.probe(*module.value_names()) as seen:
        after = tuple_of(module(**inputs))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    return seen


def test_the_blocks_are_in_the_library() -> None:
    assert {name.partition(":")[0] for name in BLOCKS} <= set(Library().names())


@pytest.fixture(scope="module")
def module() -> Any:
    return net()


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(2, 3, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_weights_of_fused_attention_are_those_of_its_queries_and_keys(module: Any, x: Tensor) -> None:
    assert module.code.count("F.scaled_dot_product_attention(") == 3
    with module.probe("layers[*].weights", "layers[*].q", "layers.1.k") as seen:
        module(x)
    assert list(seen)[:3] == [f"layers[{i}].weights" for i in range(3)]
    weights = seen["layers[1].weights"]
    assert (weights.axes, weights.shape, weights.recomputed) == (("*", "h", "N", "N'"), (2, 3, 2, 5, 5), True)
    assert not seen["layers[1].q"].recomputed
    torch.testing.assert_close(weights.tensor, direct(seen["layers[1].q"].tensor, seen["layers.1.k"].tensor))


def test_parts_and_pooled_maps_are_those_of_the_whole(module: Any, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    with module.probe("layers[0].weights") as seen:
        module(x)
    weights = seen["layers[0].weights"]
    whole = weights.tensor
    assert torch.equal(weights.at(h=1, N=slice(2, 4)), whole[:, :, 1, 2:4])
    torch.testing.assert_close(weights.at({"N'": 3, "N": -1}), whole[..., -1, 3])
    monkeypatch.setattr("attn.compiler.lower.maps.BLOCK", 1)  # one block of rows at a time
    pooled = weights.pooled(2, h=0)
    assert pooled.shape == (2, 3, 2, 2)
    torch.testing.assert_close(pooled[..., 0, 1], whole[:, :, 0, 0:3, 3:5].mean((-1, -2)))
    torch.testing.assert_close(weights.pooled(100), whole)


def test_a_removed_value_is_recomputed_and_says_so(x: Tensor) -> None:
    text = "block f(x: [*, N, D]) -> [*, D] {\n    dead = exp(x)\n    a = relu(x)\n    b = softmax(x, D)\n    return sum(a, N)\n}"
    module = attn.compile(attn.text(text), D=8)
    with module.probe("dead", "a", "b", "b.weights") as seen:
        module(x)
    assert [seen[name].recomputed for name in seen] == [True, False, True, True]
    assert torch.equal(seen["dead"].tensor, x.exp())
    with pytest.raises(attn.AttnError, match="E0607"):
        seen["dead"].pooled()
    assert torch.equal(seen["b.weights"].tensor, x.softmax(-1))


def test_names_bound_again_mean_the_last_and_have_numbers(x: Tensor) -> None:
    module = attn.compile(attn.text("block f(x: [*, D=8]) -> [*, D] {\n    y = x + 1\n    y = y * 2\n    return y + y\n}"))
    with module.probe("y", "y#1", "y#2") as seen:
        module(x)
    assert torch.equal(seen["y#1"].tensor, x + 1)
    assert torch.equal(seen["y"].tensor, (x + 1) * 2)
    assert torch.equal(seen["y"].tensor, seen["y#2"].tensor)


def test_patterns(module: Any) -> None:
    from attn.compiler.probe.addresses import matching

    names = module.value_names()
    assert matching("layers[0..2].q", names) == ["layers[0].q", "layers[1].q"]
    assert matching("**.weights", names) == ["layers[0].weights", "layers[1].weights", "layers[2].weights"]
    assert matching("layers.2", names) == ["layers[2]"]
    assert matching("*", names) == ["layers[0]", "layers[1]", "layers[2]", "x"] or matching("*", names)[0] == "layers[0]"
    assert matching("layers[*]", names) == ["layers[0]", "layers[1]", "layers[2]"]


def test_two_probes_at_once_and_nothing_after(module: Any, x: Tensor) -> None:
    before = set(module.__dict__), set(module._modules)
    with module.probe("layers[0].q") as one:
        with module.probe("layers[2].k") as two:
            module(x)
        first = one["layers[0].q"].tensor
        module(x + 1)
        assert not torch.equal(one["layers[0].q"].tensor, first)  # the last run counts
        assert list(two) == ["layers[2].k"]
    assert (set(module.__dict__), set(module._modules)) == before
    with pytest.raises(RuntimeError, match="on purpose"), module.probe("layers[0].q"):
        raise RuntimeError("on purpose")
    assert set(module.__dict__) == before[0]


def test_a_value_of_every_step_of_a_scan() -> None:
    text = """
    block f(x: [*, N, D]) -> [*, N, D] {
        return scan N (s: [*, D] = 0) {
            inner = s * 0.5
            s = inner + x
            yield s
        }
    }"""
    module, x = attn.compile(attn.text(text)), torch.randn(2, 4, 3)
    with module.probe("inner") as seen:
        y = module(x)
    inner = seen["inner"]
    assert (inner.axes, inner.recomputed) == (("*", "D", "N"), True)
    torch.testing.assert_close(inner.tensor.transpose(-1, -2)[:, 1:], y[:, :-1] * 0.5)


def test_dropout_is_that_of_the_run(x: Tensor) -> None:
    module = attn.compile(attn.text("block f(x: [*, D=8]) -> [*, D] {\n    y = dropout(x, p=0.5)\n    return y + 1\n}"))
    with module.probe("y") as seen:
        result = module(x.float())
    assert torch.equal(result, seen["y"].tensor + 1)


def test_optional_inputs_and_their_values() -> None:
    module = attn.std.heads.mha(D=8, heads=2)
    x, keep = torch.randn(1, 4, 8), torch.tensor([[True, True, False, True]])
    with module.probe("see", "weights") as seen:
        module(x, keep=keep)
    assert torch.equal(seen["see"].tensor, keep)
    assert torch.equal(seen["weights"].tensor[..., 2], torch.zeros(1, 2, 4))


def test_facts_about_weights_hold_under_a_probe(x: Tensor) -> None:
    weights = net().state_dict()
    weights["layers.0.v.weight"][4:] = 0
    weights["layers.0.v.bias"][4:] = 0
    module = net(mode="infer", weights=weights)
    with module.probe("layers[0].v", "layers[0].weights") as seen:
        assert torch.equal(module(x), net(mode="infer", weights=weights)(x))
    assert seen["layers[0].v"].tensor[..., 1, :].abs().max() == 0
    assert seen["layers[0].weights"].shape == (2, 3, 2, 5, 5)


def test_gradients_go_through_a_probed_run(module: Any, x: Tensor) -> None:
    free, probed = (x.clone().requires_grad_() for _ in range(2))
    module(free).sum().backward()
    with module.probe("**.weights") as seen:
        module(probed).sum().backward()
    assert torch.equal(free.grad, probed.grad)  # type: ignore[arg-type]
    assert not seen["layers[0].weights"].tensor.requires_grad


def test_a_probe_of_a_copy_is_not_one_of_the_module(module: Any, x: Tensor) -> None:
    other = copy.deepcopy(module)
    with other.probe("layers[0].q") as seen:
        module(x)
    assert len(seen) == 0
    with module.probe("layers[0].q") as seen:
        others = copy.deepcopy(module), copy.copy(module)
        for one in others:
            assert torch.equal(one(x), net()(x))
    assert len(seen) == 0
    assert all(set(one.__dict__) == set(module.__dict__) for one in others)


def test_what_is_no_name_or_no_position_is_told(module: Any, x: Tensor) -> None:
    for names in ((), (3,), (["layers[0].q"],)):
        with pytest.raises(attn.AttnError, match="E0606"):
            module.probe(*names)
    with module.probe("layers[0].q") as seen:
        module(x)
    with pytest.raises(attn.AttnError, match="E0607"):
        seen["layers[0].q"].at(N=[1, 2])


def test_the_batch_comes_first() -> None:
    text = "block f(x: [B, N, D=4]) -> [B, N, D] {\n    k = rename(x, N -> M)\n    y = dot(k, x, over=D) |> dot(k, over=M)\n    return y\n}"
    module = attn.compile(attn.text(text), level=0)
    with module.probe("y") as seen:
        module(torch.randn(2, 3, 4))
    assert seen["y"].axes[0] == "B"


def test_a_compiled_module_runs_as_it_is_while_somebody_looks(module: Any, x: Tensor) -> None:
    torch._dynamo.reset()
    fast = torch.compile(module, backend="eager")
    before = fast(x)
    with module.probe("layers[0].q") as seen:
        assert torch.equal(fast(x), before)
    assert seen["layers[0].q"].shape == (2, 3, 5, 2, 4)
    assert torch.equal(fast(x), before)
    torch._dynamo.reset()
