"""Loops along an axis."""

from __future__ import annotations

import pytest
import torch
from hand_graphs import Hand, running

from attn.compiler.graph import Body
from attn.compiler.lower.lowering import lower
from attn.compiler.sizes import Size
from attn.compiler.types import TensorType, TupleType


def by_hand(x: torch.Tensor, alpha: torch.Tensor, reverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
    state, rows = torch.zeros(x.shape[0], x.shape[2], dtype=x.dtype), list[torch.Tensor]()
    steps = range(x.shape[1])
    for n in reversed(steps) if reverse else steps:
        state = alpha * x[:, n] + (1 - alpha) * state
        rows.append(state)
    return torch.stack(rows[::-1] if reverse else rows, 1), state


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_recurrence(reverse: bool, length: int) -> None:
    module, x = lower(running(reverse), dtype=torch.float64), torch.randn(2, length, 3, dtype=torch.float64)
    for made, wanted in zip(module(x), by_hand(x, module.state_dict()["alpha"], reverse), strict=True):
        torch.testing.assert_close(made, wanted)


def test_gradients_pass_through_the_steps() -> None:
    module, x = lower(running(), dtype=torch.float64), torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: tuple(module(value)), (x,))
    module(x).last.sum().backward()
    assert module.get_parameter("alpha").grad is not None


def test_no_steps() -> None:
    y, last = lower(running())(torch.randn(2, 0, 3))
    assert y.shape == (2, 0, 3)
    assert y.dtype == torch.float32
    assert torch.equal(last, torch.zeros(2, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_adds_up_in_float32(dtype: torch.dtype) -> None:
    module, x = lower(running(), dtype=dtype), torch.randn(2, 50, 3, dtype=dtype)
    wide = lower(running())
    wide.load_state_dict({"alpha": module.state_dict()["alpha"].float()})
    for made, wanted in zip(module(x), wide(x.float()), strict=True):
        assert made.dtype == dtype
        assert torch.equal(made, wanted.to(dtype))


def test_the_body_has_no_weights_of_its_own() -> None:
    module = lower(running())
    assert list(module.state_dict()) == ["alpha"]
    assert [name for name, _ in module.named_children()] == ["scan_1"]


def test_the_position_and_outer_sizes_are_known_inside() -> None:
    """y[n] = x[n] * (n + N), and a carry that counts the steps."""
    hand = Hand()
    x = hand.input("x", "N D")
    number = TensorType((), "int")
    step = hand.make("param", (), number, index=0, scan=1)
    count = hand.make("param", (), number, "count", index=1, scan=1)
    row = hand.make("param", (), hand.type("D"), "row", index=2, scan=1)
    n = hand.op("size", dtype="int", value=Size.symbol("N"))
    out = hand.op("mul", row, hand.op("add", step, n, dtype="int"), axes="D")
    body = Body((step, count, row), (out,), (hand.op("add", count, hand.number(1), dtype="int"),))
    kind = TupleType((hand.type("N D"), number))
    loop = hand.make(
        "scan", (hand.number(0), x), kind, axis="N", reverse=False, carries=1, sliced=1, body=body, length=Size.symbol("N"), number=1
    )
    items = [hand.make("item", (loop,), kind.items[i], index=i) for i in range(2)]
    module = lower(hand.graph(("y", items[0], "N D"), ("count", items[1], "")))
    a = torch.randn(5, 2)
    y, counted = module(a)
    torch.testing.assert_close(y, a * torch.arange(5, 10).unsqueeze(1))
    assert counted.dtype == torch.int64
    assert counted == 5


def test_a_loop_in_a_loop() -> None:
    """Sums of sums: along M inside N, each step of N starting from the carry of the last."""
    hand = Hand()
    x, number = hand.input("x", "N M"), TensorType((), "float")
    outer = [hand.make("param", (), TensorType((), "int"), index=0, scan=1), hand.make("param", (), number, "s", index=1, scan=1)]
    row = hand.make("param", (), hand.type("M"), "row", index=2, scan=1)
    inner = [hand.make("param", (), TensorType((), "int"), index=0, scan=2), hand.make("param", (), number, "t", index=1, scan=2)]
    cell = hand.make("param", (), number, "cell", index=2, scan=2)
    added = hand.op("add", inner[1], cell)
    inner_kind = TupleType((hand.type("M"), number))
    inner_loop = hand.make("scan", (outer[1], row), inner_kind, axis="M", reverse=False, carries=1, sliced=1,
                           body=Body((*inner, cell), (added,), (added,)), length=Size.symbol("M"), number=2)  # fmt: skip
    sums, last = (hand.make("item", (inner_loop,), inner_kind.items[i], index=i) for i in range(2))
    kind = TupleType((hand.type("N M"), number))
    body = Body((*outer, row), (sums,), (last,))
    loop = hand.make(
        "scan", (hand.number(0), x), kind, axis="N", reverse=False, carries=1, sliced=1, body=body, length=Size.symbol("N"), number=1
    )
    y = hand.make("item", (loop,), kind.items[0], index=0)
    module = lower(hand.graph(("", y, "N M")))
    a = torch.randn(3, 4)
    torch.testing.assert_close(module(a), a.flatten().cumsum(0).reshape(3, 4))
