"""Compiled modules go through torch.compile and torch.export."""

from __future__ import annotations

import pytest
import torch
from hand_graphs import Hand, affine, running

from attn.compiler.lower.errors import InputError
from attn.compiler.lower.lowering import lower


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_compile_takes_the_whole_graph(leading: tuple[int, ...]) -> None:
    torch._dynamo.reset()
    module, x = lower(affine()), torch.randn(*leading, 5, 6)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), module(x))


@pytest.mark.parametrize("reverse", [False, True])
def test_compile_takes_a_loop(reverse: bool) -> None:
    torch._dynamo.reset()
    module, x = lower(running(reverse)), torch.randn(2, 4, 3)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    for made, wanted in zip(compiled(x), module(x), strict=True):
        assert torch.equal(made, wanted)


def test_compile_follows_new_sizes() -> None:
    torch._dynamo.reset()
    module = lower(affine())
    compiled = torch.compile(module, fullgraph=True, backend="eager", dynamic=True)
    for n in (3, 4, 5, 6):
        x = torch.randn(2, n, 6)
        assert torch.equal(compiled(x), module(x))


def test_compile_writes_state() -> None:
    torch._dynamo.reset()
    hand = Hand({"D": 3})
    x, k = hand.input("x", "D"), hand.weight("k", "D", kind="state")
    y = hand.op("add", x, k, axes="D")
    module = lower(hand.graph(("", y, "D"), updates=[(0, y)]))
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    with torch.no_grad():
        module.get_buffer("k").zero_()
    compiled(torch.ones(3))
    compiled(torch.ones(3))
    assert torch.equal(module.get_buffer("k"), torch.full((3,), 2.0))


def test_export_static() -> None:
    module, x = lower(affine()), torch.randn(2, 5, 6)
    exported = torch.export.export(module, (x,))
    assert torch.equal(exported.module()(x), module(x))
    assert sorted(exported.state_dict) == sorted(module.state_dict())


def test_export_with_dynamic_sizes() -> None:
    module = lower(affine())
    shapes = {"x": {0: torch.export.Dim("B"), 1: torch.export.Dim("N")}}
    exported = torch.export.export(module, (torch.randn(2, 5, 6),), dynamic_shapes=shapes).module()
    for shape in [(3, 4, 6), (7, 9, 6)]:
        x = torch.randn(shape)
        assert torch.equal(exported(x), module(x))


def test_export_with_two_inputs_of_one_axis() -> None:
    hand = Hand()
    x, y = hand.input("x", "* N D"), hand.input("y", "N")
    size = hand.op("size", dtype="int", value=hand.axis("N").size)
    total = hand.op("mul", hand.op("mul", x, y, axes="* N D"), size, axes="* N D")
    module = lower(hand.graph(("", total, "* N D")))
    n = torch.export.Dim("N")
    exported = torch.export.export(module, (torch.randn(2, 5, 6), torch.randn(5)), dynamic_shapes=({1: n}, {0: n})).module()
    a, b = torch.randn(2, 8, 6), torch.randn(8)
    assert torch.equal(exported(a, b), module(a, b))


def test_export_of_a_loop() -> None:
    module, x = lower(running()), torch.randn(2, 4, 3)
    for made, wanted in zip(torch.export.export(module, (x,)).module()(x), module(x), strict=True):
        assert torch.equal(made, wanted)


def test_a_wrong_input_is_still_told_after_compile() -> None:
    torch._dynamo.reset()
    compiled = torch.compile(lower(affine()), backend="eager")
    compiled(torch.ones(2, 5, 6))
    with pytest.raises(InputError, match="`x` has size 7 along `D`"):
        compiled(torch.ones(2, 5, 7))
