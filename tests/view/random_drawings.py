"""Drawings and graphs at random, always the same for the same seed."""

from __future__ import annotations

from random import Random

from view.graphs import Sketch, tensor

from attn.compiler.graph import Graph, Init, Node, Weight
from attn.compiler.sizes import Size, ceil, floor, maximum
from attn.compiler.types import Axis, TensorType
from attn.compiler.view.model import Box, Drawing, Wire
from attn.compiler.view.nesting import Path, nest


def drawing(seed: int, count: int, reach: int = 6) -> Drawing:
    """A picture with `count` boxes in groups nested up to four deep; wires mostly lead to one of the next `reach` boxes."""
    random = Random(seed)
    paths: list[Path] = []
    path: Path = ()
    for number in range(count):
        if random.random() < 0.3:
            path = path[: random.randrange(len(path) + 1)]
        if random.random() < 0.35 and len(path) < 4:
            path = (*path, (f"block {number}", "scan" if random.random() < 0.1 else "block", 0))
        paths.append(path)
    wires: list[tuple[int, tuple[int, ...]]] = []
    for source in range(count - 1):
        near = range(source + 1, min(source + 1 + reach, count))
        targets = {random.choice(near) for _ in range(random.choice((1, 1, 1, 2, 3)))}
        if random.random() < 0.1:
            targets.add(random.randrange(source + 1, count))
        wires.append((source, tuple(sorted(targets))))
    groups, home = nest(paths, [(source, target) for source, targets in wires for target in targets])
    entering = [sum(number in targets for _, targets in wires) for number in range(count)]
    boxes = [_box(random, number, entering[number], home[number]) for number in range(count)]
    labelled = [Wire(source, targets, random.choice(("*, N, D", "", "*, h, N, d=D/8", "N"))) for source, targets in wires]
    return Drawing(f"seed {seed}", "", tuple(boxes), groups, tuple(labelled))


def _box(random: Random, number: int, entering: int, group: int) -> Box:
    if entering == 2 and random.random() < 0.5:
        return Box("sign", "arithmetic", ("+",), "", "", group)
    lines = (f"box {number}", *random.choice(((), ("D → h d",), ("over=N dot=d", "pos(N') <= pos(N)"))))
    return Box("op", random.choice(("linear", "softmax", "pointwise")), lines, random.choice(("", "q", "attention.out")), "", group)


def size(random: Random, depth: int = 3) -> Size:
    """A size as programs have them: sums, products, quotients and roundings."""
    if depth == 0 or random.random() < 0.25:
        return random.choice((Size.symbol(random.choice(("N", "D", "N'", "ключ", "h_"))), Size.of(random.randrange(1, 9))))
    a, b = size(random, depth - 1), size(random, depth - 1)
    below = Size.symbol("D") + random.randrange(3)
    match random.randrange(7):
        case 0:
            return a + b
        case 1:
            return a * b
        case 2:
            return a / below
        case 3:
            return floor(a / below)
        case 4:
            return ceil(a / random.randrange(2, 70))
        case 5:
            return maximum(a, b)
        case _:
            return a - b


def graph(seed: int, count: int = 40) -> Graph:
    """A graph of operators that read anything before them, with weights, odd sizes, odd options and blocks."""
    random = Random(seed)
    s = Sketch(f"random {seed}")
    nodes: list[Node] = [s.input("x", tensor("*", "N", "D")), s.input('m"<&', tensor("N", dtype="bool"))]
    for number in range(count):
        if random.random() < 0.3:
            s.scope = (*s.scope[: random.randrange(len(s.scope) + 1)], f"block{number}")[:4]
        names = random.sample(("N", "N'", "h", "d", "D"), random.randrange(4))
        type = TensorType(tuple(Axis(name, size(random)) for name in names), random.choice(("float", "wide", "int")))
        nodes.append(_node(random, s, nodes, type))
    formula = s.op("cos", s.op("pos", type=tensor("N", dtype="int"), axis="N"), type=tensor("N"))
    s.weights.append(Weight("table", "const", formula.axes, (("N",),), "float", Init("formula", (), formula)))
    return s.graph(nodes[-1], nodes[-2], names=("y", ""), doc='At random. é <b> & "quoted"')


def _node(random: Random, s: Sketch, nodes: list[Node], type: TensorType) -> Node:
    kind = random.randrange(6)
    if kind == 0:
        path = f"w{len(s.weights)}.weight"
        return s.op("linear", random.choice(nodes), s.weight(path, type), type=type, over=("D",), made=type.names, each=(), own=True)
    if kind == 1:
        numbers = (s.scalar(0.5), s.scalar(3), s.scalar(float("inf")))
        return s.op("add", random.choice(nodes), random.choice((*numbers, random.choice(nodes))), type=type)
    if kind == 2:
        pads = (("N", (size(random), 0)), ("D", (1, True, 1.0)))
        return s.op("pad", random.choice(nodes), type=type, pads=pads, fill=float("-inf"), mode="x")
    if kind == 3:
        return s.op("rename", random.choice(nodes), type=type, pairs=(("N", "N'"),))
    if kind == 4:
        return s.op("where", *(random.choice(nodes) for _ in range(3)), type=type)
    return s.op(random.choice(("relu", "softmax", "mean")), random.choice(nodes), type=type, axes=("N",))
