"""Lines of a program as they stand: what is said, what every value is, and the program that returns some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from attn.compiler.graph import Node
from attn.compiler.sizes import Size
from attn.dsl.frozen import frozen

from .live import Live
from .program import Parts, Program

MOST_AXES = 6
MOST_NUMBERS = 1200


@frozen(eq=False)
class Var:
    """A value: its axes but for `*` with their sizes, and its kind. `raw`: an input of floats, in which no two numbers are equal."""

    name: str
    axes: dict[str, int]
    star: bool
    kind: str
    raw: bool = False


class Sheet:
    """`why` says of each line that the compiler refused what was wrong with it."""

    def __init__(self, inputs: Sequence[str], bind: dict[str, int], free: dict[str, int], helpers: str = "") -> None:
        self.inputs, self.bind, self.free, self.helpers = tuple(inputs), bind, free, helpers
        self.live = Live(f"block t({', '.join(inputs)})", bind, helpers)
        self.lines: list[str] = []
        self.why: list[str] = []
        self.vars: dict[str, Var] = {}
        self._types: dict[str, object] = {}
        self._look()

    def node(self, name: str) -> Node:
        value = self.live.value(name)
        assert isinstance(value, Node)
        return value

    def say(self, text: str) -> bool:
        """One more line, as it stands; False where the compiler refuses it."""
        refusal = self.live.say(text)
        if refusal is not None:
            self.why.append(f"{text}: {refusal.code} {refusal.title}")
            return False
        self.lines.append(text)
        self._look()
        return True

    def _look(self) -> None:
        """Note the values that are new; those that are too large are not used any more."""
        for name, node in self.live.tensors().items():
            if self._types.get(name) is not node.type:
                self._types[name] = node.type
                self._note(name, node)

    def _note(self, name: str, node: Node) -> None:
        axes = {self.live.local(axis.name): self.number(axis.size) for axis in node.axes if axis.name != "*"}
        star = node.tensor.has("*")
        self.vars.pop(name, None)
        if len(axes) <= MOST_AXES and prod(axes.values()) * (self.free["*"] if star else 1) <= MOST_NUMBERS:
            self.vars[name] = Var(name, axes, star, node.dtype, node.op == "input" and node.dtype == "float")

    def number(self, size: Size) -> int:
        return int(size.evaluate(self.free))

    # ------------------------------------------------ the end

    def program(self, seed: int, results: Mapping[str, Sequence[str]]) -> Program:
        """The program that returns these values, each with its axes in this order."""
        several = len(results) > 1
        outputs = tuple(
            (f"y{i}" if several else "", name, tuple(order), self.node(name).dtype) for i, (name, order) in enumerate(results.items())
        )
        graph = self.live.graph([output[:3] for output in outputs])
        parts = Parts(self.inputs, tuple(self.lines), outputs, self.helpers)
        return Program(seed, parts.text, self.bind, self.free, graph, parts)

    def clashes(self, name: str) -> list[str]:
        """The axes of a value that have another size than the one that is declared: it cannot be returned under these names."""
        return [axis for axis in self.vars[name].axes if self._differs(name, axis)]

    def _differs(self, name: str, axis: str) -> bool:
        entry = self.live.frame.scope.axes[axis]
        own = self.node(name).tensor.size(entry.symbol)
        return entry.declared and bool(entry.sizes) and entry.sizes[0].size != own
