"""Sizes as integer arithmetic in an fx graph."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ..sizes import Size

BINARY: dict[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "floordiv", ast.Mod: "mod",
          ast.Pow: "pow"}  # fmt: skip
CALLS = {"max": "torch.sym_max", "min": "torch.sym_min", "abs": "operator.abs"}


def emit(size: Size, symbol: Callable[[str], Any], call: Callable[..., Any], method: Callable[..., Any]) -> Any:
    """Emit an integer size; `symbol` gives the number of a name, `call` and `method` write. Constants come back as they are."""
    names: list[str] = []

    def place(name: str) -> str:
        names.append(name)
        return f"_{len(names) - 1}"

    text = size.python(place)
    return _Walk(names, symbol, call, method).visit(ast.parse(text, mode="eval").body)


class _Walk:
    """Over the text of a size, whose depth the limits on sizes keep small."""

    def __init__(self, names: list[str], symbol: Callable[[str], Any], call: Callable[..., Any], method: Callable[..., Any]) -> None:
        self.names, self.symbol, self.call, self.method = names, symbol, call, method

    def visit(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self.symbol(self.names[int(name[1:])])
            case ast.BinOp(left=left, op=op, right=right):
                return self.call(f"operator.{BINARY[type(op)]}", self.visit(left), self.visit(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.call("operator.neg", self.visit(operand))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._fold(CALLS[name], [self.visit(arg) for arg in args])
            case ast.Call(func=ast.Attribute(value=value, attr="bit_length")):
                number = self.visit(value)
                return number.bit_length() if isinstance(number, int) else self.method("bit_length", number)
            case ast.IfExp(test=ast.Compare(left=left, comparators=[right]), body=body, orelse=orelse):
                test = self.call("operator.ge", self.visit(left), self.visit(right))
                return self.call("runtime.choose", test, self.visit(body), self.visit(orelse))
            case _:
                raise ValueError(f"unexpected text of a size: {ast.unparse(node)}")

    def _fold(self, target: str, values: list[Any]) -> Any:
        """`max(a, b, c)` as `max(max(a, b), c)`."""
        if len(values) == 1:
            return self.call(target, values[0])
        result = values[0]
        for value in values[1:]:
            result = self.call(target, result, value)
        return result


def solve(size: Size, symbol: str, known: Size) -> Size | None:
    """The symbol, from `size == known`, where the size is linear in it; else None."""
    one, two = size.substitute({symbol: 1}), size.substitute({symbol: 2})
    slope = two - one
    rest = one - slope
    if slope == Size.of(0) or slope * Size.symbol(symbol) + rest != size:
        return None
    return (known - rest) / slope
