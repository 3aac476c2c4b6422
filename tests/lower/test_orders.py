"""The planned orders are those of the run: views, functions number by number, and every copy in the whole library."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from reference.library_cases import CASES, Case
from torch import Tensor

import attn
from attn.compiler.lower import runtime_attention
from attn.compiler.lower.copies import copies
from attn.compiler.orders.memory import Memory, elementwise, fresh
from attn.compiler.orders.plan import Orders, distinct, orders
from attn.compiler.sizes import Size

SIZES = {"H": 8, "W": 8, "N": 16, "M": 16, "T": 16}
SMALL = {"H": 4, "W": 4, "N": 4, "M": 4, "T": 4, "C": 9}
"""For blocks of a fixed length, and for one whose channels are squares."""


def memory_of(x: Tensor) -> Memory:
    """What the strides of a tensor say."""
    sizes = tuple(map(Size.of, x.shape))
    real = [i for i in range(x.dim()) if x.shape[i] > 1 and x.stride(i)]
    order = sorted(real, key=lambda i: -x.stride(i))
    places = tuple(order.index(i) if i in order else None for i in range(x.dim()))
    joined = tuple(p > 0 and x.stride(order[p - 1]) == x.stride(i) * x.shape[i] for p, i in enumerate(order))
    return Memory(sizes, places, joined, not order or x.stride(order[-1]) == 1)


def sizes_of(x: Tensor) -> list[Size]:
    return [Size.of(size) for size in x.shape]


def moved(x: Tensor, memory: Memory, draw: random.Random) -> tuple[Tensor, Memory]:
    """One move of both."""
    at = draw.randrange(x.dim())
    match draw.choice(["permute", "unsqueeze", "squeeze", "select", "narrow", "expand", "flatten", "unflatten"]):
        case "permute":
            dims = draw.sample(range(x.dim()), x.dim())
            return x.permute(dims), memory.permuted(dims)
        case "unsqueeze" if x.dim() < 6:
            return x.unsqueeze(at), memory.unsqueezed(at)
        case "squeeze":
            return x.squeeze(at), memory.squeezed(at)
        case "select" if x.dim() > 2:
            return x.select(at, 0), memory.without(at)
        case "narrow" if x.shape[at] > 3:
            return x.narrow(at, 1, x.shape[at] - 2), memory.cut(at, Size.of(x.shape[at] - 2))
        case "expand" if x.shape[at] == 1:
            return x.expand([5 if i == at else -1 for i in range(x.dim())]), memory.expanded(
                [Size.of(5) if i == at else None for i in range(x.dim())]
            )
        case "flatten" if x.dim() > 2:
            last = draw.randrange(at, x.dim())
            y = x.flatten(at, last)
            seen = memory.reshaped(sizes_of(y))
            assert (seen is not None) == (y.untyped_storage()._cdata == x.untyped_storage()._cdata)
            return y, seen or fresh(sizes_of(y))
        case "unflatten" if x.shape[at] in (4, 6, 12):
            y = x.unflatten(at, (2, -1))
            seen = memory.reshaped(sizes_of(y))
            assert seen is not None
            return y, seen
        case _:
            return x, memory


def test_moves_are_views_where_torch_says_so() -> None:
    draw = random.Random(7)
    for _ in range(300):
        x = torch.zeros([draw.choice([1, 2, 3, 4, 6, 12]) for _ in range(draw.randrange(2, 5))])
        memory = memory_of(x)
        for _ in range(8):
            if not x.dim() or not x.numel():
                break
            x, memory = moved(x, memory, draw)
            assert memory == memory_of(x), (x.shape, x.stride())


def test_functions_number_by_number_write_in_the_order_of_their_operands() -> None:
    draw = random.Random(8)
    for _ in range(300):
        count = draw.randrange(2, 5)
        shape = draw.sample([2, 3, 5, 7], count)
        operands: list[Tensor] = []
        for _ in range(draw.randrange(1, 4)):
            order = draw.sample(range(count), count)
            own = [1 if operands and draw.random() < 0.3 else shape[i] for i in range(count)]
            x = torch.zeros([own[i] for i in order]).permute([order.index(i) for i in range(count)])
            operands.append(x.expand(shape) if draw.random() < 0.2 else x)
        result = operands[0] * 2 if len(operands) == 1 else torch.add(*operands) if len(operands) == 2 else torch.addcmul(*operands)
        assert elementwise([memory_of(x) for x in operands]) == memory_of(result), [(x.shape, x.stride()) for x in operands]


def planned(plan: Orders, sizes: Mapping[str, int], times: int = 1) -> list[int]:
    """The bytes of every copy of a run, bodies of loops as often as they run, and the way of a choice that is taken."""

    def number(size: Size) -> int:
        return int(size.evaluate({name: 2 if name == "*" else sizes.get(name, 16) for name in size.free()}))

    found = [number(copy.bytes) for copy in distinct(copy for node in plan.nodes for copy in plan.copies.get(node, ()))] * times
    for node, bodies in plan.bodies.items():
        if node.op == "scan":
            found += planned(bodies[0], sizes, times * number(node["length"]))
        else:
            found += planned(bodies[0 if number(node["left"]) <= number(node["right"]) else 1], sizes, times)
    return sorted(found)


def measured(made: Any) -> tuple[dict[str, int], list[int]]:
    """The bytes of every copy of a run, at the common sizes or, where a block does not run at these, at small ones."""
    try:
        return SIZES, sorted(copy.bytes for copy in copies(made, SIZES))
    except (attn.AttnError, ValueError, IndexError, RuntimeError):
        return SMALL, sorted(copy.bytes for copy in copies(made, SMALL))


@pytest.mark.parametrize("case", {case[:2]: case for case in CASES}.values(), ids=lambda case: f"{case[0]}-{case[1]}")
def test_planned_copies_are_the_measured_ones(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every block of the library, one way each. Behind a choice whose ways lie otherwise a copy may be planned that is not made;
    attention to few keys is planned as with many rows."""
    monkeypatch.setattr(runtime_attention, "SCORES", 0)
    module, block, bind = case
    made: Any = attn.compile(f"std.{module}", block, bind=bind)
    sizes, found = measured(made)
    plan = orders(made.optimised.graph)
    told, seen = Counter(planned(plan, sizes)), Counter(found)
    assert seen <= told if any(node.op == "choose" for node in plan.nodes) else seen == told
