"""The way in and out of a module: arguments, their checks, the dimensions that `*` stands for, and sizes read off the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import fx

from ...dsl.diagnostics import AttnError, Diagnostic
from ..graph import Graph, Guard, Node, Output
from ..sizes import Size
from ..sizes.size import fraction
from ..types import STAR
from . import arithmetic
from .emitter import Value
from .names import identifiers
from .runtime_entry import remembering
from .targets import fixed
from .writer import Missing, Writer, rename


def is_absent(node: Node) -> bool:
    """Whether an input is an optional one that this graph was made without."""
    return bool(node.options.get("absent", False))


def pure_symbol(size: Size) -> str | None:
    """The name, where a size is nothing but one symbol."""
    free = size.free()
    name = next(iter(free)) if len(free) == 1 else None
    return name if name is not None and size == Size.symbol(name) else None


class Entry:
    """Writes the beginning and the end of a module's forward."""

    def __init__(self, writer: Writer, graph: Graph) -> None:
        self.writer = writer
        self.graph = graph
        self.leading: Any = None
        self.given: Any = None
        """The first input of floats, whose dtype results have where another is worked in."""
        self.present = [node for node in graph.inputs if not is_absent(node)]

    # ------------------------------------------------ in

    def begin(self, weight: Any) -> None:
        """Arguments, checks, `*` merged into one dimension, sizes, guards. `weight` reads a float weight, if there is one."""
        arguments = self._arguments()
        inputs = [arguments[node] for node in self.present]
        if inputs:
            specs = tuple(self._spec(node) for node in self.present)
            half = () if self.writer.half is None else (self.writer.half,)
            self.writer.effect(remembering(fixed("runtime.check_inputs", specs, *half)), tuple(inputs), weight)
        self._set_types(arguments, weight)
        self._merge(arguments)
        self._read_sizes(arguments)
        for guard in self.graph.guards:
            self._guard(guard)

    def _arguments(self) -> dict[Node, fx.Node]:
        made: dict[Node, fx.Node] = {}
        after_optional = False
        for node, name in zip(self.graph.inputs, identifiers(node["name"] for node in self.graph.inputs), strict=True):
            after_optional = after_optional or bool(node.options.get("optional", False))
            made[node] = self.writer.graph.placeholder(name, default_value=None) if after_optional else self.writer.graph.placeholder(name)
        return made

    def _spec(self, node: Node) -> tuple[Any, ...]:
        order: Sequence[str] = node["order"]
        sizes = [node.tensor.size(axis) for axis in order]
        known = [size.integer() if size.integer() is not None else pure_symbol(size) for size in sizes]
        return node["name"], tuple(order), tuple(known), node.dtype, node.span

    def _set_types(self, arguments: dict[Node, fx.Node], weight: Any) -> None:
        floats = [arguments[node] for node in self.present if node.dtype == "float"]
        everything = [arguments[node] for node in self.present]
        self.given = next(iter(floats), None)
        self.writer.typist = next(iter(floats), weight)
        self.writer.host = next(iter(everything), weight)

    def _merge(self, arguments: dict[Node, fx.Node]) -> None:
        """Give every input its axes, one dimension for `*`."""
        starred = [node for node in self.present if STAR in node["order"]]
        if starred:
            triples = tuple((arguments[node], *_around(node["order"])) for node in starred)
            self.leading = self.writer.call("runtime.leading_shape", *triples)
            rename(self.leading, "leading")
        for node in self.present:
            x: Any = arguments[node]
            if node in starred:
                x = self.writer.call("runtime.merge_leading", x, self.leading, *_around(node["order"]))
                rename(x, node["name"])
            if node.dtype == "float" and self.writer.half is not None:
                x = self.writer.method("to", x, self.writer.half)
                rename(x, node["name"])
            if node.dtype == "int":
                x = self.writer.method("long", x)
                rename(x, node["name"])
            self.writer.seed(node, Value(x, tuple(node["order"])))

    # ------------------------------------------------ sizes

    def _read_sizes(self, arguments: dict[Node, fx.Node]) -> None:
        """Make every size symbol known that an input tells, then check the sizes that are expressions."""
        expressions: list[tuple[Node, int, Size]] = []
        for node in self.present:
            for i, axis in enumerate(node["order"]):
                size = node.tensor.size(axis)
                name = pure_symbol(size)
                if name is not None:
                    self._from_dimension(name, node, i)
                elif size.integer() is None:
                    expressions.append((node, i, size))
        self._solve(list(expressions))
        for node, i, size in expressions:
            self._check_expression(node, i, size)

    def _from_dimension(self, symbol: str, node: Node, i: int) -> None:
        if symbol in self.writer.symbols:
            return

        def read() -> Any:
            size = self.writer.method("size", self.writer.value(node).fx, i)
            rename(size, "leading_count" if symbol == STAR else symbol)
            return size

        self.writer.symbols[symbol] = read

    def _solve(self, expressions: list[tuple[Node, int, Size]]) -> None:
        """`H/2` is 7, so H is 14: as long as one of the expressions has one unknown left."""
        progress = True
        while progress:
            progress = False
            for node, i, size in expressions:
                unknown = sorted(name for name in size.free() if name not in self.writer.symbols)
                here = f"{node['name']}.{i}"
                found = arithmetic.solve(size, unknown[0], Size.symbol(here)) if len(unknown) == 1 else None
                if found is not None:
                    self._from_dimension(here, node, i)
                    self._from_expression(unknown[0], found)
                    progress = True

    def _from_expression(self, symbol: str, size: Size) -> None:
        self.writer.symbols[symbol] = lambda: self.writer.size(size)

    def _check_expression(self, node: Node, i: int, size: Size) -> None:
        if any(name not in self.writer.symbols for name in size.free()):
            return
        actual = self.writer.method("size", self.writer.value(node).fx, i)
        check = fixed("runtime.check_size", node["name"], node["order"][i], str(size), node.span)
        self.writer.effect(check, actual, self.writer.size(size))

    def _guard(self, guard: Guard) -> None:
        """Both sides over one denominator, so that they are whole."""
        (top_left, bottom_left), (top_right, bottom_right) = fraction(guard.left), fraction(guard.right)
        left, right, scale = top_left * bottom_right, top_right * bottom_left, bottom_left * bottom_right
        check = fixed("runtime.check_fact", guard.reason, _told(guard), guard.span)
        self.writer.effect(check, guard.kind, *[self.writer.size(size) for size in (left, right, scale)])

    # ------------------------------------------------ out

    def finish(self, output: Output) -> Any:
        """A result in its declared order, with the dimensions that `*` stands for."""
        value = self.writer.tensor(output.node)
        sizes = {axis.name: axis for axis in output.node.axes}
        missing = [axis for axis in output.order if axis not in sizes]
        if missing:
            raise ValueError(f"the result {output.name or 'of ' + self.graph.name} lacks {', '.join(missing)}")
        x = self.writer.order(value, output.order)
        if STAR in output.order and self.leading is not None:
            x = self.writer.call("runtime.split_leading", x, self.leading, _around(output.order)[0])
        if self.writer.half is not None and self.given is not None and output.node.dtype in ("float", "wide"):
            x = self.writer.method("to", x, self.writer.once("given", lambda: self.writer.call("builtins.getattr", self.given, "dtype")))
        if isinstance(x, fx.Node):
            x.meta["axes"] = tuple(output.order)
        return x


def _told(guard: Guard) -> str:
    """What a broken guard says of its sizes; `{0}` and `{1}` are the numbers they turn out to be."""
    left, right = guard.left.constant(), guard.right.constant()
    known = [f"{side} is {{{i}}}" for i, side in enumerate((guard.left, guard.right)) if side.constant() is None]
    if guard.kind == "divides":
        return f"{guard.right} is {{1}}, and {guard.left if left is not None else known[0]} does not divide it"
    if len(known) != 1:
        return " and ".join(known)
    if guard.kind == "equal":
        return f"{known[0]}, not {left if right is None else right}"
    return f"{known[0]}, at most {left} is possible" if right is None else f"{known[0]}, at least {right} is needed"


def _around(order: Sequence[str]) -> tuple[int, int]:
    """How many axes stand before and after `*`."""
    before = list(order).index(STAR)
    return before, len(order) - before - 1


def unknown_size(graph: Graph, error: Missing) -> AttnError:
    """Told to the user when a size is needed that no input has."""
    name = str(error.args[0])
    title, help = f"the size `{name}` is not known: no input has it", f"bind it when compiling: {name} = ..."
    return AttnError([Diagnostic("E0206", title, graph.span, help=help)])
