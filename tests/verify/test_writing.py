"""A graph written as text of the language is the same program."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from reference.library_cases import CASES

import attn
from attn.compiler.graph import Graph
from attn.compiler.reference import run
from attn.compiler.verify import Setting, compiled, inputs_for, settings_for, stored
from attn.compiler.verify.writing import program_text

# Blocks with convolutions, loops, states, or two axes of one name at different sizes have no text.
WRITTEN = [case for case in CASES if case[0] in ("heads", "layers", "feedforward", "norms", "linear", "axial", "channel")]


def weights(graph: Graph, old: Graph, held: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The old program's weights under the names that the text gives: `own3.bias` is the first bias from slot 3 on, `w3` slot 3."""
    found: dict[str, torch.Tensor] = {}
    for weight in graph.weights:
        match = re.fullmatch(r"(?:own|w)(\d+)(?:\.(\w+))?", weight.path)
        assert match is not None
        first, leaf = int(match[1]), match[2]
        slot = next(i for i, other in enumerate(old.weights) if i >= first and (leaf is None or other.path.endswith(leaf)))
        found[weight.path] = held[old.weights[slot].path].detach().reshape([int(size.integer() or 0) for size in weight.shape])
    return found


def written(module: str, block: str, bind: dict[str, Any]) -> bool:
    """Whether there is a text; it is then held against the graph."""
    program = getattr(getattr(attn.std, module), block)
    graph: Graph = program.graph(bind)
    said = program_text(graph)
    if said is None:
        return False
    again = attn.load(attn.text(said)).graph()
    setting = settings_for(graph)[0]
    made = compiled(program, Setting(bind=bind, seed=3))
    held, inputs = stored(made), inputs_for(graph, setting.sizes, setting)
    wanted = run(graph, inputs, held).outputs
    found = run(again, inputs, weights(again, graph, held)).outputs
    for left, right in zip(found.values(), wanted.values(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)
    return True


def test_texts_of_library_blocks_are_the_blocks() -> None:
    done = [f"{module}:{block}" for module, block, bind in WRITTEN if written(module, block, bind)]
    assert {"heads:mha", "heads:gqa", "layers:encoder", "feedforward:mlp", "linear:efficient_attention", "channel:se"} <= {*done}


def test_numbers_take_the_place_of_open_sizes() -> None:
    graph = attn.load(attn.text("block f(x: [*, N, D=2*K]) -> [*, N, D] {\n    return exp(x) * pos(N)\n}")).graph()
    said = program_text(graph, {"N": 3, "K": 2})
    assert said is not None
    assert said.startswith("block smaller(x: [*, N=3, D=4]) -> [*, N=3, D=4] {")


@pytest.mark.parametrize("value", ["1.5", "0.0000000001", "-2.0", "3", "1.0"])
def test_numbers_keep_their_value(value: str) -> None:
    graph = attn.load(attn.text(f"block f(x: [*, N]) -> [*, N] {{\n    return exp(x * {value})\n}}")).graph()
    said = program_text(graph)
    assert said is not None
    x = {"x": torch.ones(2, 3, dtype=torch.float64)}
    assert torch.equal(run(attn.load(attn.text(said)).graph(), x, {}).outputs[""], run(graph, x, {}).outputs[""])


def test_what_has_no_words_has_no_text() -> None:
    assert program_text(attn.std.recurrence.gru.graph({"D": 3, "E": 4})) is None
