"""What explain says of an attention is what the generated code does, in the whole library, the examples, and programs with every option."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from attention_support import HEAD, SELF, source
from torch import fx

import attn
from attn.compiler.program import BlockProgram, load_unit
from attn.dsl.diagnostics import AttnError
from attn.dsl.loader import Library

CALLS = (
    "scaled_dot_product_attention", "masked_attention", "chunked_attention", "sink_attention", "sink_softmax", "distance_attention",
    "grouped_attention", "routed_attention", "prefix_attention",
)  # fmt: skip
EXAMPLES = Path(__file__).parents[2] / "examples"
FULL: dict[str, dict[str, Any]] = {
    "vit.attn": {"B": 1, "C": 3, "H": 32, "W": 32, "D": 64, "K": 10, "heads": 4, "depth": 2},
    "gpt.attn": {"V": 64, "D": 48, "depth": 2, "heads": 4},
    "minilm.attn": {},
    "first.attn": {"C": 64},
}
OPTIONS = [
    "", "where=pos(N') <= pos(N)", "softcap=2.0", "by=sigmoid", "by=relu2", "by=entmax15, where=keep", "by=sparsemax", "sink_logit=t",
    "sink_logit=t, softcap=1.0", "sink_logit=n, where=keep, dropout=0.1",
    "chunk=2", "scale=t", "scale=j", "scale=bias", "bias=bias", "bias=bias, where=keep", "dropout=0.5", "chunk=3, softcap=1.0",
    "where=keep, softcap=1.0",
]  # fmt: skip


def library() -> list[tuple[str, str]]:
    modules = [name for name in Library().names() if name.startswith("std.")]
    return [(module, block) for module in modules for block in load_unit(module)[0].blocks]


def bound(program: BlockProgram) -> dict[str, Any]:
    """Numbers for every size of a weight; powers of two fit most blocks."""
    graph = program.graph(checking=True)
    names = {name for weight in graph.weights for size in weight.shape for name in size.free()}
    return {name: 4 if name in ("heads", "groups") else 16 for name in sorted(names)}


def called(module: torch.nn.Module) -> Counter[str]:
    """How often the generated code, bodies of loops included, calls each function of attention."""
    graphs = [part.graph for part in module.modules() if isinstance(part, fx.GraphModule)]
    names = [getattr(node.target, "__name__", "") for graph in graphs for node in graph.nodes if node.op == "call_function"]
    return Counter(name for name in names if name in CALLS)


def said(report: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in report.attention:
        if one.function in CALLS:
            found[one.function] += len(one.scopes)
    return found


def agree(program: BlockProgram, bind: dict[str, Any], **options: Any) -> Counter[str]:
    module = program(bind=bind, **options)
    report = attn.explain(program, bind=bind, **options)
    assert said(report) == called(module)
    return said(report)


@pytest.mark.parametrize(("module", "block"), library(), ids=lambda name: name)
def test_the_library_is_computed_as_told(module: str, block: str) -> None:
    program = attn.load(module, block)
    try:
        program.graph(bound(program))
    except AttnError:
        pytest.skip("needs sizes of its own")
    agree(program, bound(program))


@pytest.mark.parametrize("name", sorted(FULL))
@pytest.mark.parametrize(("level", "mode"), [(0, "train"), (2, "train"), (2, "infer")])
def test_the_examples_are_computed_as_told(name: str, level: int, mode: str) -> None:
    agree(attn.load(EXAMPLES / name), FULL[name], level=level, mode=mode)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("weights", [False, True])
def test_every_option_is_computed_as_told(options: str, weights: bool) -> None:
    if weights and "chunk" in options:
        pytest.skip("these exclude each other")
    more = f"{', ' if options else ''}{options}{', weights=true' if weights else ''}"
    body = f"y, a = attend(q, k, v, over=N, dot=d{more}); return y" if weights else f"return attend(q, k, v, over=N, dot=d{more})"
    found = agree(attn.load(attn.text(source(HEAD, body, "[*, h, N, d]"))), {})
    assert sum(found.values()) <= 1


def test_an_edit_that_is_told_unblocks() -> None:
    """The report of a program with something in the way names it; without it attention is one call."""
    way = []
    for options in ("softcap=2.0, ", ""):
        text = source(SELF, f"return attend(q, k, v, {options}over=N, dot=d)", "[*, h, N, e]")
        (one,) = attn.explain(attn.text(text)).attention
        way.append((one.way, [obstacle.place.text if obstacle.place else "" for obstacle in one.obstacles]))
    assert way == [("explicit", ["softcap=2.0"]), ("fused", [])]
