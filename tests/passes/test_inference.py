"""For inference: nothing of training is left, batch norms are in weights, and the results are those of the module in evaluation."""

from __future__ import annotations

import math
import re

import pytest
import torch
from foldings import FOLDED, KEPT, SCALED

import attn
from attn.compiler.graph import Graph
from attn.compiler.passes import optimise, passes
from attn.compiler.passes.inference import InferenceFolding
from attn.compiler.passes.inference_evaluation import Evaluation
from attn.compiler.passes.rewriting import everything
from attn.compiler.verify import Setting, compare, fitting

EVERY = {**FOLDED, **SCALED, **KEPT}


def bound(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", text.splitlines()[0])}


def graph(text: str) -> Graph:
    return attn.load(attn.text(text)).graph(bound(text), checking=True)


def varying(of: Graph) -> list[str]:
    """The operators that need the inputs; those on weights and positions alone are done once."""
    needs = {node: node.op == "input" for node in everything(of)}
    for node in everything(of):
        needs[node] = needs[node] or any(needs[source] for source in node.inputs)
    return [node.op for node in everything(of) if needs[node]]


@pytest.mark.parametrize("name", FOLDED)
def test_a_batch_norm_is_in_the_weights_beside_it(name: str) -> None:
    source = graph(FOLDED[name])
    outcome = InferenceFolding().run(source, "infer")
    left = varying(outcome.graph)
    products = [op for op in varying(source) if op in ("conv", "conv_transpose", "linear", "dot")]
    assert "batchnorm" not in left
    assert [op for op in left if op in ("conv", "conv_transpose", "linear", "dot")] == products
    assert sum(op in ("mul", "add", "div", "sub") for op in left) <= FOLDED[name].count(") as q *") * 2 + SUMS.get(name, 0)
    assert outcome.changes
    assert outcome.graph.weights == source.weights


SUMS = {"no channels": 1, "a stem": 1, "a product with a weight": 1, "before a product with a weight": 1}
"""What is added or multiplied besides."""


@pytest.mark.parametrize("name", SCALED)
def test_a_scale_is_in_the_weights_beside_it(name: str) -> None:
    source = graph(SCALED[name])
    outcome = InferenceFolding().run(source, "infer")
    before, after = varying(source), varying(outcome.graph)
    norms = [node for node in everything(outcome.graph) if node.op in ("layernorm", "rmsnorm", "groupnorm")]
    assert len(after) < len(before) or any(not node["weight"] for node in norms)
    assert outcome.changes


@pytest.mark.parametrize("name", KEPT)
def test_what_cannot_be_folded_stays(name: str) -> None:
    source = graph(KEPT[name])
    outcome = InferenceFolding().run(source, "infer")
    assert [op for op in varying(outcome.graph) if op != "rename"] == [
        part for op in varying(source) if op != "rename" for part in (("mul", "add") if op == "batchnorm" else (op,))
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", EVERY)
def test_results_are_those_of_evaluation(name: str, seed: int) -> None:
    program, setting = attn.load(attn.text(EVERY[name])), Setting(bind=bound(EVERY[name]), seed=seed, loose=seed == 1)
    sizes = fitting(graph(EVERY[name]), ([3, 4, 5], [1, 2], [1])[seed], seed, bound(EVERY[name]))
    assert sizes is not None
    assert compare(program, setting, sizes, mode="infer") == "same"


@pytest.mark.parametrize(
    ("name", "bind"), [("cbam", {"C": 6, "reduction": 2}), ("triplet", {"C": 4, "H": 3, "W": 5, "kernel": 3}), ("srm", {"C": 5})]
)
def test_gates_of_the_library_have_no_batch_norm_left(name: str, bind: dict[str, int]) -> None:
    block = getattr(attn.std.triplet if name == "triplet" else attn.std.channel, name)
    source = block.graph(bind)
    made = optimise(source, 2, "infer").graph
    assert "batchnorm" in [node.op for node in everything(source)]
    assert "batchnorm" not in [node.op for node in everything(made)]
    sizes = fitting(source, [4, 5], 1, bind)
    assert sizes is not None
    assert compare(block, Setting(bind=bind), sizes, mode="infer") == "same"


def test_a_folded_module_follows_its_weights() -> None:
    """What is prepared is not stale: new weights, loaded or set, give new results."""
    text = attn.text(FOLDED["a convolution before"])
    plain, folded = attn.compile(text, level=0, mode="infer", C=4), attn.compile(text, level=2, mode="infer", C=4)
    x = torch.randn(2, 4, 5, 5)
    for seed in (1, 2):
        torch.manual_seed(seed)
        with torch.no_grad():
            for value in plain.parameters():
                value.copy_(torch.randn(value.shape))
        folded.load_state_dict(plain.state_dict())
        torch.testing.assert_close(folded(x), plain(x))


def test_weights_keep_their_names() -> None:
    text = attn.text(FOLDED["a stem"])
    plain, folded = attn.compile(text, level=0, C=3), attn.compile(text, level=2, mode="infer", C=3)
    assert {name: value.shape for name, value in folded.state_dict().items()} == {
        name: value.shape for name, value in plain.state_dict().items()
    }


# ---------------------------------------------------------------- dropout and gates

GATES = "block t(x: [*, N, D]) -> [*, N, D] {{\n    const one: [D] = 1.0\n    const ones: [D] = [1, 1, 1]\n    {0}\n}}\n"


@pytest.mark.parametrize(
    "line",
    [
        "return dropout(x, p=0.5)",
        "return droppath(x, p=0.5)",
        "return dropout(droppath(x * one, p=0.1), p=0.1) / ones",
        "return where(ones > 0, x, 2 * x)",
        "return where(rename(one, D -> E) == 0, 2 * x, x) |> max(E)",
        "return exp(one - ones) * x",
    ],
)
def test_what_is_for_training_is_gone(line: str) -> None:
    source = attn.load(attn.text(GATES.format(line))).graph({"D": 3}, checking=True)
    made = Evaluation().run(source, "infer").graph
    assert {*varying(made)} <= {"input", "expand", "max"}


@pytest.mark.parametrize("line", ["param g: [D] = 1.0\n    return x * g", "return x * sigmoid(9 * one)", "return x + one"])
def test_what_training_may_change_is_no_constant(line: str) -> None:
    source = attn.load(attn.text(GATES.format(line))).graph({"D": 3}, checking=True)
    assert Evaluation().run(source, "infer").graph is source


def test_dropout_of_attention_is_for_training() -> None:
    text = "block t(q: [*, N, d]) -> [*, N, d] {\n    return attend(q, q, q, over=N, dot=d, dropout=0.5)\n}\n"
    source = attn.load(attn.text(text)).graph({}, checking=True)
    (made,) = [node for node in everything(optimise(source, 1, "infer").graph) if node.op == "attend"]
    assert made["dropout"] == 0


def test_training_has_none_of_this() -> None:
    assert not {"evaluation", "inference"} & {one.name for one in passes(2, "train")}
    assert {"evaluation", "inference"} <= {one.name for one in passes(2, "infer")}


@pytest.mark.parametrize("padding", ["same", "0", "[0, 2]"])
def test_a_convolution_to_one_channel_makes_several_places_at_once(padding: str) -> None:
    """Where a run has results enough; the width may be any."""
    text = (
        f"block t(x: [*, Z, U, V]) -> [*, Y, X] {{\n    return conv(x, Z -> 1, over=U V -> Y X, kernel=[3, 5], padding={padding}) as c\n}}"
    )
    plain, module = (attn.compile(attn.text(text), Z=2, mode="infer", level=level) for level in (0, 2))
    module.load_state_dict(plain.state_dict())
    steps = [node for body in module.graph.nodes if body.target == "choose_1" for node in getattr(module, body.target).graph.nodes]
    assert any(node.kwargs.get("stride") == [1, 8] for node in steps)
    for shape in ((3, 2, 40, 41), (1, 2, 70, 72), (2, 2, 3, 9)):
        x, y = (torch.linspace(-1, 1, 2 * 3 * 5 * 7 * 11 * 13)[: math.prod(shape)].view(shape).clone().requires_grad_() for _ in range(2))
        made, wanted = module(x), plain(y)
        assert torch.allclose(made, wanted, atol=1e-5)
        made.square().sum().backward()
        wanted.square().sum().backward()
        assert torch.allclose(x.grad, y.grad, atol=1e-4)  # type: ignore[arg-type]
