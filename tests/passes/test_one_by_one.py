"""Linear maps that convolutions read become convolutions: values, gradients, and when they do not."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise
from attn.compiler.passes.one_by_one import OneByOne
from attn.compiler.passes.siblings import Siblings
from attn.compiler.verify import Setting, agree, fitting, inputs_for

SQUARE = "linear(x, C -> C) |> conv(over=H W, each=C, kernel=3)"
PROGRAMS = {
    "square": SQUARE,
    "two axes": "linear(x, C -> h=2 d=3, bias=false) |> conv(over=H W, each=h d, kernel=[3, 1]) |> sum(h d) |> expand(C)",
    "mixed after": "linear(x, C -> E=3) |> conv(E -> C, over=H W, kernel=3)",
    "beyond functions": "linear(x, C -> E=3) |> tanh |> relu |> conv(E -> C, over=H W, kernel=3, stride=1)",
    "along one axis": "linear(x, C -> E=3) |> conv(E -> C, over=W, kernel=3)",
    "two readers": "conv(y, E -> C, over=H W, kernel=3) as a + conv(y, E -> C, over=H W, kernel=1) as b",
}
OTHERS = {
    "the other order": "linear(x, C -> E=3) |> conv(E -> C, over=W H, kernel=3)",
    "another reader": "(conv(y, E -> C, over=H W, kernel=3) as a) + sum(y, E)",
    "one along each axis": "(conv(y, E -> C, over=H, kernel=3) as a) + (conv(y, E -> C, over=W, kernel=3) as b)",
    "a kernel": "conv(x, over=H W, each=C, weight=linear(w, K -> i=3 j=3), taps=i j, bias=false)",
}


def graph_of(body: str) -> Graph:
    given = "    y = linear(x, C -> E=3) as y\n" if "(y" in body else ""
    more = ", w: [C, K=2]" if "w," in body else ""
    return attn.load(attn.text(f"block t(x: [*, C, H, W]{more}) -> [*, C, H, W] {{\n{given}    return {body}\n}}")).graph({"C": 4})


def compared(graph: Graph, mode: Any, lead: tuple[int, ...]) -> str:
    optimiser: Any = partial(optimise, level=2, mode=mode, pipeline=(OneByOne(),))
    torch.manual_seed(1)
    module = lower(graph, dtype=torch.float64, optimiser=optimiser)
    sizes = fitting(graph, (5, 7, 3, 4), 1, {"*": 2 if lead else 1})
    assert sizes is not None
    inputs = inputs_for(graph, sizes, Setting(lead=lead, loose=True))
    for x in inputs.values():
        x.requires_grad_(mode == "train")
    return agree(module, inputs, gradients=mode == "train")


@pytest.mark.parametrize(("mode", "lead"), [("train", (2,)), ("infer", ())])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_map_that_became_a_convolution_says_the_same(name: str, mode: str, lead: tuple[int, ...]) -> None:
    graph = graph_of(PROGRAMS[name])
    made = OneByOne().run(graph, "train")
    assert len(made.changes) == 1
    assert not any(node.op == "linear" for node in made.graph.nodes)
    assert compared(graph, mode, lead) == "same"


@pytest.mark.parametrize("name", OTHERS)
def test_other_maps_stay(name: str) -> None:
    graph = graph_of(OTHERS[name])
    assert OneByOne().run(graph, "train").graph is graph


def test_channels_that_lie_inside_stay_there() -> None:
    text = "block t(x: [*, H, W, C]) -> [*, H, W, C] {\n    return linear(x, C -> C) |> conv(over=H W, each=C, kernel=3)\n}"
    graph = attn.load(attn.text(text)).graph({"C": 4})
    assert OneByOne().run(graph, "train").graph is graph


def test_maps_that_convolutions_read_stay_apart() -> None:
    """Parts of a merged image would be copied one by one."""
    graph = attn.std.channel_tokens.mdta.graph({"C": 8, "heads": 2})
    made = optimise(graph, 2, "infer")
    (left,) = [one for step in made.steps if step.done.name == "siblings" for one in step.left]
    assert left.text.startswith("`q`, `k` and `v` stay apart")
    assert Siblings().run(made.graph, "infer").graph is made.graph


def test_channels_stay_outside() -> None:
    code = attn.std.channel_tokens.mdta(bind={"C": 8, "heads": 2, "H": 8, "W": 8}, mode="infer").code
    assert code.count("torch.conv2d(x_1, ") == 3  # the image as it is
    assert code.count("torch.conv2d(conv2d") == 3
