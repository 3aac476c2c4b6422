"""A choice between two ways, by a comparison of sizes when the module runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from hand_graphs import Hand

from attn.compiler.cost import graph_cost
from attn.compiler.graph import Body, Graph, Node
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.standalone import standalone
from attn.compiler.reference import evaluate
from attn.compiler.sizes import Size, minimum
from attn.compiler.view import from_json, render_svg, to_json

N, D = Size.symbol("N"), Size.of(3)


def _params(hand: Hand, inputs: tuple[Node, ...], branch: int) -> tuple[Node, ...]:
    return tuple(hand.make("param", (), one.tensor, one.name, choice=1, branch=branch, place=i) for i, one in enumerate(inputs))


def choosing() -> Graph:
    """(x yT) z along N, in the order that has less work: y and z first where 4 <= N. The two ways differ by 1, so that one can tell."""
    hand = Hand({"D": 3, "E": 3})
    x, y, z = (hand.input(name, f"* {rows} D") for name, rows in (("x", "M"), ("y", "N"), ("z", "N")))
    z = hand.op("rename", z, axes="* N E", pairs=(("D", "E"),))
    inputs = (x, y, z)
    a, b, c = _params(hand, inputs, 0)
    first = hand.op("dot", a, hand.op("dot", b, c, axes="* D E", over=("N",)), axes="* M E", over=("D",))
    a2, b2, c2 = _params(hand, inputs, 1)
    second = hand.op("dot", hand.op("dot", a2, b2, axes="* M N", over=("D",)), c2, axes="* M E", over=("N",))
    second = hand.op("add", second, hand.op("size", dtype="int", value=N / N), axes="* M E")
    ways = Body((a, b, c), (first,), ()), Body((a2, b2, c2), (second,), ())
    made = hand.op("choose", *inputs, axes="* M E", left=Size.of(4), right=N, first=ways[0], second=ways[1])
    return hand.graph(("", hand.op("exp", made, axes="* M E"), "* M E"))


def tensors(n: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(n)
    return {name: torch.randn(2, rows, 3, dtype=torch.float64) for name, rows in (("x", 5), ("y", n), ("z", n))}


def wanted(given: dict[str, torch.Tensor]) -> torch.Tensor:
    product = given["x"] @ given["y"].mT @ given["z"]
    return torch.exp(product + (0 if given["y"].shape[1] >= 4 else 1))


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_the_sizes_pick_the_way(n: int) -> None:
    given = tensors(n)
    torch.testing.assert_close(lower(choosing(), dtype=torch.float64)(**given), wanted(given))
    torch.testing.assert_close(evaluate(choosing(), given, {})[""], wanted(given))


@pytest.mark.parametrize("n", [2, 6])
def test_gradients_pass_through_the_way_that_was_taken(n: int) -> None:
    given = {name: (x * 0.1).requires_grad_() for name, x in tensors(n).items()}
    assert torch.autograd.gradcheck(lower(choosing(), dtype=torch.float64), tuple(given.values()))


def test_it_survives_json_and_can_be_drawn() -> None:
    graph = choosing()
    text = to_json(graph)
    again = from_json(text)
    assert to_json(again) == text
    given = tensors(2)
    torch.testing.assert_close(evaluate(again, given, {})[""], wanted(given))
    assert "first if 4" in render_svg(graph)


@pytest.mark.parametrize("n", [2, 6])
def test_a_file_of_its_own_has_both_ways(n: int, tmp_path: Path) -> None:
    path = tmp_path / "chosen.py"
    path.write_text(standalone(lower(choosing(), dtype=torch.float64)), encoding="utf-8")
    given = tensors(n)
    torch.testing.assert_close(runpy.run_path(str(path))["Hand"]()(**given), wanted(given))


def test_compiled_by_torch_the_comparison_is_a_guard() -> None:
    module = torch.compile(lower(choosing(), dtype=torch.float64), backend="eager", dynamic=True)
    for n in (2, 6, 3, 8):
        given = tensors(n)
        torch.testing.assert_close(module(**given), wanted(given))


def test_an_exported_program_has_the_first_way_alone() -> None:
    given = tensors(6)
    rows = torch.export.Dim("rows", min=2)
    shapes = {"x": None, "y": {1: rows}, "z": {1: rows}}
    exported = torch.export.export(lower(choosing(), dtype=torch.float64), (), given, dynamic_shapes=shapes).module()
    torch.testing.assert_close(exported(**given), wanted(given))
    few = tensors(2)
    torch.testing.assert_close(exported(**few), torch.exp(few["x"] @ few["y"].mT @ few["z"]))


def test_the_cost_is_that_of_the_cheaper_way() -> None:
    batch, m = Size.symbol("*"), Size.symbol("M")
    written = batch * m * N * D * 4 + batch * m * D
    work = batch * N * D * D * 2 + batch * m * D * D * 2
    assert graph_cost(choosing()).flops == minimum(work, written) + batch * m * D
