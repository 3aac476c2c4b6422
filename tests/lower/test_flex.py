"""What FlexAttention is given on a GPU: functions of pairs and block masks, held on the CPU against the same masks as tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import attn
from attn.compiler.backends.target import Target
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.runtime_flex import BLOCK as BLOCK_SIZE
from attn.compiler.lower.runtime_flex import block_mask, live_blocks
from attn.compiler.passes.choosing import chosen_optimiser

HEAD = "block f(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e], doc: int [*, N], keep: bool [*, N], slope: [h]) -> [*, h, N, e] {\n"
MASKS = {
    "window": "pos(N') <= pos(N) and pos(N) - pos(N') < 5",
    "band": "abs(pos(N) - pos(N')) <= 3",
    "residue": "(pos(N) - pos(N')) % 3 == 0 and pos(N') <= pos(N)",
    "segment": "pos(N) // 4 == pos(N') // 4",
    "documents": "doc == rename(doc, N -> N')",
    "causal documents": "pos(N') <= pos(N) and doc == rename(doc, N -> N')",
    "keys": "rename(keep, N -> N') and pos(N') <= pos(N)",
    "powers": "pos(N') <= pos(N) and (is_pow2(pos(N) - pos(N')) or pos(N) - pos(N') < 3)",
    "nothing behind": "pos(N') < pos(N) and pos(N) - pos(N') < 3",
    "either": "pos(N') == pos(N) or pos(N') // 4 < pos(N) // 4",
}
N, BLOCK = 19, 4


def program(mask: str, more: str = "") -> str:
    return f"{HEAD}    return attend(q, k, v, over=N, dot=d, where={mask}{more})\n}}"


def module(text: str, target: Target, **bind: int) -> Any:
    graph = attn.load(attn.text(text)).graph(bind)
    return lower(graph, optimiser=chosen_optimiser(2, "infer", target=target))


def inputs(seed: int = 0) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    main = {name: torch.randn(2, 3, N, 8, generator=source) for name in "qkv"}
    doc = torch.randint(0, 3, (2, N), generator=source).sort().values
    keep = torch.rand(2, N, generator=source) < 0.7
    keep[:, 0] = True
    return {**main, "doc": doc, "keep": keep, "slope": torch.rand(3, generator=source)}


def asked(made: Any, given: dict[str, Tensor]) -> tuple[Any, ...]:
    """The arguments that a run gives to `flex_attention`."""
    seen: list[tuple[Any, ...]] = []
    call = next(node for node in made.graph.nodes if getattr(node.target, "__name__", "") == "flex_attention")

    def look(*arguments: Any) -> Tensor:
        seen.append(arguments)
        return torch.zeros_like(arguments[2])

    call.target = look
    torch.fx.Interpreter(made).run(*given.values())
    return seen[0]


def places(q: Tensor) -> tuple[Tensor, ...]:
    """Every place of [batch, heads, rows, keys], which may be the program's `*` and `h` or the other way round."""
    return torch.meshgrid(torch.arange(q.shape[0]), torch.arange(q.shape[1]), torch.arange(N), torch.arange(N), indexing="ij")


def reference(mask: str, given: dict[str, Tensor], q: Tensor) -> Tensor:
    """The mask as a tensor [batch, heads, rows, keys] as `q` has these, from the program as written."""
    text = f"block m(doc: int [*, N], keep: bool [*, N]) -> bool [*, N, N'] {{\n    return expand({mask}, *)\n}}"
    text = text.replace("expand(", "(").replace(", *)", ") and expand(keep or not keep, N')")
    dense = attn.compile(attn.text(text), level=0)(given["doc"], given["keep"])
    return dense[:, None].expand(2, 3, N, N) if q.shape[0] == 2 else dense.expand(3, 2, N, N)


@pytest.mark.parametrize("name", MASKS)
def test_mask_functions_and_blocks_say_what_the_mask_says(name: str) -> None:
    given = inputs()
    q, _, _, mask, mask_given, _, _, told, _ = asked(module(program(MASKS[name]), Target(device="cuda")), given)
    dense = reference(MASKS[name], given, q)
    assert torch.equal(mask(*places(q), *mask_given).expand_as(dense), dense)
    live, full = live_blocks(N, N, told, BLOCK, torch.device("cpu"))
    more = -N % BLOCK
    cut = torch.nn.functional.pad(dense, (0, more, 0, more)).unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK))
    inside = torch.nn.functional.pad(torch.ones_like(dense), (0, more, 0, more)).unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK))
    some, every = cut.any(-1).any(-2), (cut | ~inside).all(-1).all(-2)
    assert not (some & ~live).any(), "an allowed pair is in a block that is left out"
    assert not (full & ~every).any(), "a block is taken whole that is not"
    if name in ("window", "band", "residue", "segment", "documents"):
        assert torch.equal(live.expand_as(some), some)
        assert name == "residue" or torch.equal(full.expand_as(every), every)


def test_biases_are_functions_of_a_score_and_a_pair() -> None:
    given = inputs()
    made = module(program(MASKS["band"], ", bias=-slope * abs(pos(N) - pos(N'))"), Target(device="cuda"))
    q, _, _, _, _, bias, bias_given, _, _ = asked(made, given)
    b, h, i, j = places(q)
    scores = torch.randn(*q.shape[:2], N, N)
    wanted = scores - given["slope"][h if q.shape[1] == 3 else b] * (i - j).abs()
    assert torch.allclose(bias(scores, b, h, i, j, *bias_given), wanted)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("name", ["window", "causal documents", "nothing behind"])
def test_attention_through_it_is_the_same(name: str) -> None:
    """Here FlexAttention holds all scores; on a GPU the same call is a kernel."""
    text, given = program(MASKS[name], ", bias=-slope * abs(pos(N) - pos(N'))"), inputs()
    cuda, cpu = module(text, Target(device="cuda")), module(text, Target())
    assert "flex_attention(" in cuda.code
    assert "flex_attention(" not in cpu.code
    assert torch.allclose(cuda(**given), cpu(**given), atol=1e-5)


def test_what_another_call_says_better_is_left_to_it() -> None:
    causal = "pos(N') <= pos(N)"
    for text in (program(causal), program(MASKS["band"], ", dropout=0.5"), program(MASKS["band"], ", sink_logit=0.5")):
        code = lower(attn.load(attn.text(text)).graph({}), optimiser=chosen_optimiser(2, "train", target=Target(device="cuda"))).code
        assert "flex_attention(" not in code
    table = program(MASKS["band"], ", bias=own").replace("slope: [h])", "slope: [h], own: [N, N'])")
    assert "flex_attention(" not in module(table, Target(device="cuda")).code


def test_several_axes_are_one_dimension() -> None:
    text = """block f(q: [*, h, Y, X, d], k: [*, h, Y, X, d], v: [*, h, Y, X, d]) -> [*, h, Y, X, d] {
        return attend(q, k, v, over=Y X, dot=d, where=abs(pos(Y) - pos(Y')) <= 1 and abs(pos(X) - pos(X')) <= 2)
    }"""
    given = dict(zip("qkv", torch.randn(3, 2, 2, 4, 5, 8), strict=True))
    made = module(text, Target(device="cuda"))
    _, _, _, mask, mask_given, _, _, told, _ = asked(made, given)
    assert told is None
    i, j = torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij")
    wanted = ((i // 5 - j // 5).abs() <= 1) & ((i % 5 - j % 5).abs() <= 2)
    assert torch.equal(mask(torch.zeros(()), torch.zeros(()), i, j, *mask_given), wanted)


def test_pytorch_gets_the_blocks_that_are_live() -> None:
    """Block lists, those with a mask and those without, say together which blocks there are; one is whole, one is cut at the end."""
    q, told = torch.zeros(1, 1, 300, 8), (("band", -200, 0), ("unknown",))
    made = block_mask(q, q, lambda b, h, i, j: (j <= i) & (i - j <= 200), (), told)
    live, full = live_blocks(300, 300, told, BLOCK_SIZE, q.device)
    assert live[0, 0].tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert not full.any()
    assert torch.equal(made.to_dense().bool(), live)
    whole = block_mask(q, q, lambda b, h, i, j: i // 128 == j // 128, (), (("segment", 128),))
    assert torch.equal(whole.to_dense().bool()[0, 0], torch.eye(3, dtype=torch.bool))
    assert whole.full_kv_num_blocks is not None
    assert whole.full_kv_num_blocks.tolist() == [[[1, 1, 1]]]
    assert whole.kv_num_blocks.tolist() == [[[0, 0, 0]]]


def test_explain_tells_what_the_code_calls() -> None:
    text = attn.text(program(MASKS["causal documents"], ", bias=-slope * abs(pos(N) - pos(N'))"))
    (one,) = attn.explain(text, device="cuda").attention
    assert one.function == "flex_attention"
    assert "blocks without an allowed pair are left out" in one.remarks[0]
    assert "flex_attention" not in {one.function for one in attn.explain(text).attention}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_told() -> None:
    with pytest.raises(attn.AttnError, match="E0610"):
        attn.compile("std.channel", "se", C=16, device="cuda")
