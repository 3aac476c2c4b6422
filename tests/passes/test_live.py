"""Attention on the blocks that a mask leaves is the attention that was written: values, gradients, and what is told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.testing import assert_close

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.ops.attend_way import attend_way
from attn.compiler.ops.mask_offsets import conditions, facts
from attn.compiler.passes import optimise, passes
from attn.compiler.passes.live import Live
from attn.compiler.passes.rewriting import everything

HEAD = "block t(q: [*, N, d], k: [*, N, d], v: [*, N, e], keep: bool [*, N], i: int [N]) -> [*, N, e] {{\n    return {0}\n}}\n"
IMAGE = "block t(q: [*, H, W, d], k: [*, H, W, d], v: [*, H, W, d]) -> [*, H, W, d] {{\n    return {0}\n}}\n"
MASKS = {
    "band": "abs(pos(N) - pos(N')) <= 3",
    "causal window": "pos(N') <= pos(N) and pos(N) - pos(N') < 5",
    "lopsided": "pos(N') <= pos(N) + 2 and pos(N') >= pos(N) - 6",
    "residue": "(pos(N) - pos(N')) % 3 == 0",
    "causal residue": "pos(N') <= pos(N) and (pos(N) - pos(N')) % 3 == 0",
    "residue in a window": "(pos(N') - pos(N)) % 2 == 0 and abs(pos(N') - pos(N)) < 6",
    "segment": "pos(N) // 4 == pos(N') // 4",
    "causal segment": "pos(N') // 4 == pos(N) // 4 and pos(N) >= pos(N')",
    "with padding": "abs(pos(N) - pos(N')) <= 3 and rename(keep, N -> N')",
    "with data of both": "abs(pos(N) - pos(N')) <= 3 and i >= rename(i, N -> N')",
    "one distance": "pos(N) - pos(N') == 0",
    "empty rows": "pos(N') <= pos(N) and pos(N) - pos(N') < 3 and pos(N') > 2",
}
MORE = ["", ", bias=-0.5 * abs(pos(N) - pos(N'))", ", by=sigmoid", ", sink_logit=0.3", ", by=sparsemax, scale=2.0"]
SMALL = Live(part=1 << 20, least=1, rows=4, few=2)


def made(text: str, live: Live | None, **bind: int) -> Any:
    """A module in float64 with this pass, or without."""
    chosen = [live if isinstance(one, Live) else one for one in passes(2, "train")]
    pipeline = [one for one in chosen if one is not None]
    graph = attn.load(attn.text(text)).graph(bind)
    return lower(graph, dtype=torch.float64, optimiser=partial(optimise, level=2, mode="train", pipeline=pipeline))


def fired(module: Any) -> list[str]:
    return [change.text for step in module.optimised.steps if step.done.name == "live" for change in step.changes]


def agree(text: str, inputs: list[torch.Tensor], **bind: int) -> list[str]:
    """Values and gradients with blocks and without; what the pass said."""
    blocks, whole = made(text, SMALL, **bind), made(text, None, **bind)
    floating = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    found, wanted = blocks(*inputs), whole(*inputs)
    assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    slope = torch.randn_like(wanted)
    assert_close(torch.autograd.grad(found, floating, slope), torch.autograd.grad(wanted, floating, slope), rtol=1e-9, atol=1e-9)
    return fired(blocks)


def line(n: int) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(n)
    q, k, v = (torch.randn(2, n, width, generator=source, dtype=torch.float64) for width in (3, 3, 2))
    return [q, k, v, torch.rand(2, n, generator=source) < 0.7, torch.randint(0, 4, (n,), generator=source)]


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("mask", MASKS)
def test_blocks_say_what_the_mask_says(mask: str, more: str) -> None:
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, where={MASKS[mask]}{more})")
    for n in (1, 4, 11):
        assert agree(text, line(n)), "the pass did nothing"
    agree(text, line(12), N=12)


def test_an_empty_axis_takes_the_other_way() -> None:
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, where={MASKS['band']})")
    assert made(text, SMALL)(*line(0)).shape == (2, 0, 2)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 7), (8, 4)])
def test_neighborhoods_in_two_dimensions(height: int, width: int) -> None:
    near = "abs(pos(H) - pos(H')) <= 1 and abs(pos(W) - pos(W')) <= 2"
    text = IMAGE.format(f"attend(q, k, v, over=H W, dot=d, where={near})")
    inputs = [torch.randn(2, height, width, 3, dtype=torch.float64) for _ in range(3)]
    assert agree(text, inputs)
    agree(text, inputs, H=height, W=width)


def test_numbers_of_their_own_for_pairs_are_left() -> None:
    text = HEAD.replace("i: int [N]", "i: [N, M]").format(
        "attend(q, k, v, over=N, dot=d, where=abs(pos(N) - pos(N')) < 3, bias=rename(i, M -> N'))"
    )
    assert fired(made(text, SMALL)) == []


def test_dropout_in_training_is_left_and_in_inference_not() -> None:
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, where={MASKS['band']}, dropout=0.5)")
    graph = attn.load(attn.text(text)).graph({})
    assert [bool(SMALL.run(graph, mode).changes) for mode in ("train", "infer")] == [False, True]


def test_by_default_few_positions_stay_as_they_are() -> None:
    text = HEAD.format(f"attend(q, k, v, over=N, dot=d, where={MASKS['causal window']})")
    assert fired(attn.compile(attn.text(text), N=100)) == []
    assert len(fired(attn.compile(attn.text(text), N=1000))) == 1
    assert fired(attn.compile(attn.text(text))) == [
        "this attention works on the pairs that its mask allows: along N keys from -4 to 0 away, "
        "as blocks of queries with a window of keys each, where N >= 186"
    ]


# ---------------------------------------------------------------- what a mask says

SAID = {
    "pos(N') <= pos(N)": "Band(high=0)",
    "pos(N) > pos(N')": "Band(high=-1)",
    "pos(N') - pos(N) >= -7": "Band(low=-7)",
    "2 * pos(N) - 2 * pos(N') < 8": "Band(low=-3)",
    "abs(pos(N') - pos(N)) < 4": "Band(high=3) Band(low=-3)",
    "pos(N') == pos(N) - 2": "Band(low=-2, high=-2)",
    "(pos(N) - pos(N')) % 8 == 0": "Residue(step=8)",
    "pos(N) // 16 == pos(N') // 16": "Segment(size=16)",
    "pos(N) <= 5": "",
    "pos(N) + pos(N') <= 5": "",
    "(pos(N) - pos(N')) % 8 == 1": "",
    "pos(N) // 16 == pos(N') // 8": "",
    "2 * pos(N) - 2 * pos(N') < 7": "",
    "pos(N') <= 2 * pos(N)": "",
    "pos(N') <= pos(N) or pos(N') == 0": "",
}  # fmt: skip


@pytest.mark.parametrize("mask", SAID)
def test_what_a_mask_says_of_distances(mask: str) -> None:
    text = f"block t(x: [N, d]) -> [N, d] {{\n    return attend(x, x, x, over=N, dot=d, where={mask})\n}}\n"
    (attend,) = [node for node in everything(attn.load(attn.text(text)).graph({})) if node.op == "attend"]
    found = [fact for node, names in conditions(attend.inputs[3]) for fact in facts(node, names, frozenset(attend["keys"]))]
    shown = []
    for fact in found:
        told = ", ".join(f"{name}={value}" for name, value in vars(fact).items() if name not in ("query", "key") and value is not None)
        shown.append(f"{type(fact).__name__}({told})")
    assert " ".join(shown) == SAID[mask]
    layout = attend_way(attend).layout
    assert layout is not None
    assert layout.causal is (mask == "pos(N') <= pos(N)")
