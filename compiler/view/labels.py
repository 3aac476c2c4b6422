"""The words of each box."""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph, Node, Output, Weight
from ..ops.base import OPERATORS
from .details import detail
from .metrics import shorten
from .model import Box
from .spoken import INFIX, PREFIX
from .values import WHOLE, Key, Values
from .words import MOST, axes_text, options_text, owner_path, owners, plain_text, relative, type_text, weight_text

_DOT = "·"
_EXPRESSION = 60
_SIGNS = {"sub": "−", "mul": "×"}


class Labels:
    def __init__(self, graph: Graph, values: Values) -> None:
        self.graph = graph
        self.values = values
        self.readers: dict[Node, set[Key]] = {}
        for key in values.drawn:
            for node in values.inputs(key):
                source = values.origin(node)[0][0]
                if source.op == "weight":
                    self.readers.setdefault(source, set()).add(key)

    # ------------------------------------------------ kinds of boxes

    def box(self, key: Key) -> Box:
        """The box of a value. Its note is the whole path of its weights until `shortened`."""
        node, index = key
        if index != WHOLE or self.values.carry(node) is not None:
            return self._carry_box(key)
        if node.op == "input":
            return Box("input", "", (shorten(str(node["name"]), MOST),), "", self._tip(node), 0)
        weights = self._own_weights(node)
        family = OPERATORS[node.op].family if node.op in OPERATORS else ""
        if node.op in INFIX and len(node.inputs) == 2:
            return self._infix_box(node, family, weights)
        lines, note = self._lines(node), " ".join(owners(weights))
        return Box("op", family, lines, note, self._tip(node, weights), 0)

    def _carry_box(self, key: Key) -> Box:
        """`s` at the beginning of a step, `next s` at its end."""
        node, index = key
        scan, place = (node, index) if index != WHOLE else self.values.carry(node) or (node, 0)
        param: Node = scan["body"].params[place + 1]
        name = param.name or str(param.options.get("name", "")) or f"state {place + 1}"
        start = self.values.said(scan.inputs[place])
        if index != WHOLE:
            return Box("state", "", (shorten(f"next {name}", MOST),), "", f"what the next step finds in {name}: {type_text(param.type)}", 0)
        title = name if start is None else f"{name} = {start}"
        return Box("state", "", (shorten(title, MOST),), "", f"carried from step to step: {type_text(param.type)}", 0)

    def weight_box(self, weights: tuple[Weight, ...]) -> Box:
        first = weights[0]
        leaves = ", ".join(relative(weight.path, owner_path(weight)) for weight in weights)
        lines = (shorten(axes_text_of(first) if len(weights) == 1 else leaves, MOST),)
        tip = "\n".join(weight_text(weight) for weight in weights)
        return Box("state" if first.kind == "state" else "weight", "weights", ("", *lines), owner_path(first), tip, 0)

    def output_box(self, output: Output) -> Box:
        return Box("output", "", (shorten(output.name, MOST) or "result",), "", type_text(output.node.type), 0)

    def update_box(self, weight: Weight) -> Box:
        return Box("state", "weights", (shorten(f"next {weight.path}", MOST),), "", f"what {weight.path} holds after the run", 0)

    def shortened(self, box: Box, around: str) -> Box:
        """The box with the paths in it as seen from inside the groups around it. An empty title is the path itself."""
        note = " ".join(relative(path, around) for path in box.note.split())
        if not box.lines[0]:
            return replace(box, lines=(shorten(note, MOST), *box.lines[1:]), note="")
        return replace(box, note=shorten(note, MOST) if note != box.lines[0] else "")

    # ------------------------------------------------ operations

    def _lines(self, node: Node) -> tuple[str, ...]:
        said = self.values.spoken.text(node)
        if said is not None:
            return (shorten(said, _EXPRESSION),)
        if node.op in PREFIX:
            return (PREFIX[node.op][0].strip(),)
        texts = [self.values.said(source) for source in node.inputs]
        lines = detail(node)
        if node.op == "where":
            lines = [", ".join(_DOT if text is None else text for text in texts)]
        else:
            lines.extend(self._said_inputs(node, texts))
        return (shorten(node.op, MOST), *(shorten(line, MOST) for line in lines if line))

    def _said_inputs(self, node: Node, texts: list[str | None]) -> list[str]:
        """What is said of the inputs that have no wire; `where=true` says nothing."""
        roles = self._roles(node)
        named = [f"{role}: {text}" if role else text for role, text in zip(roles, texts, strict=True) if text is not None]
        return [text for text in named if text != "where: true"]

    def _roles(self, node: Node) -> list[str]:
        """The names of the inputs of `attend` after queries, keys and values; others have none."""
        extras = plain_text(node.options.get("extras")).split() if node.op == "attend" else []
        return [""] * (len(node.inputs) - len(extras)) + extras if len(extras) <= len(node.inputs) else [""] * len(node.inputs)

    def _infix_box(self, node: Node, family: str, weights: list[Weight]) -> Box:
        """A circle for a sum or product of two drawn values; otherwise the sign with what is said beside it."""
        sign, tip = _SIGNS.get(node.op, INFIX[node.op][0]), self._tip(node, weights)
        left, right = (self._operand(source, INFIX[node.op][1] + place) for place, source in enumerate(node.inputs))
        origins = [self.values.origin(source)[0] for source in node.inputs]
        if left is not None or right is not None:
            text = f"{left} {sign}" if right is None else f"{sign} {right}" if left is None else f"{left} {INFIX[node.op][0]} {right}"
            return Box("op", family, (shorten(text, _EXPRESSION),), "", tip, 0)
        if origins[0] == origins[1] and node.op == "mul":
            return Box("op", family, ("square",), "", tip, 0)
        if origins[0] != origins[1] and node.op in ("add", "mul"):
            return Box("sign", family, (sign,), "", tip, 0)
        return Box("op", family, (f"{_DOT} {sign} {_DOT}",), "", tip, 0)

    def _operand(self, node: Node, binds: int) -> str | None:
        """The words for an operand that is not drawn: a number, a position, or a weight that only this box reads."""
        source = self.values.origin(node)[0][0]
        if source.op == "weight" and self._folded(source):
            return relative(self._weight(source).path, ".".join(node.scope) or ".".join(source.scope))
        return self.values.spoken.operand(source, binds) if self.values.said(node) is not None else None

    # ------------------------------------------------ weights

    def _weight(self, node: Node) -> Weight:
        slot: int = node["slot"]
        return self.graph.weights[slot]

    def _folded(self, node: Node) -> bool:
        return self._weight(node).kind != "state" and len(self.readers.get(node, ())) < 2

    def _own_weights(self, node: Node) -> list[Weight]:
        """The weights that only this node reads."""
        sources = [self.values.origin(source)[0][0] for source in node.inputs]
        return [self._weight(source) for source in sources if source.op == "weight" and self._folded(source)]

    def _tip(self, node: Node, weights: list[Weight] | None = None) -> str:
        """What is shown on hover: everything."""
        lines = [f"{node.op}{f' ({node.name})' if node.name else ''}: {type_text(node.type)}", options_text(node)]
        lines.extend(weight_text(weight) for weight in weights or ())
        if node.span.source.text:
            name = node.span.source.name.replace("\\", "/").rpartition("/")[2]
            lines.append(f"{name}:{node.span.source.position(node.span.start)[0]}")
        return "\n".join(line for line in lines if line)


def axes_text_of(weight: Weight) -> str:
    from ..types import TensorType

    return axes_text(TensorType(weight.axes, weight.dtype))
