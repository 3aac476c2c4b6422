"""Lowering looked through instead of written: every operator says its calls as always, and only the order in memory is followed.

So what is planned here and what the module does come from the same functions, and cannot drift apart in which calls there are; what a
kernel makes of its operands stands in `kernels.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..graph import Body, Node
from ..lower.emitter import Value
from ..lower.moves import Moves
from ..sizes import Size, product
from ..types import Axis, DType, TensorType, TupleType, is_tuple
from .kernels import result_of
from .memory import UNTOLD, Memory, fresh
from .moving import SAME, moved

if TYPE_CHECKING:
    from .plan import Orders

Numeric = (int, float, bool, Size)
Names = tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A number that the run will know."""


@dataclass(eq=False)
class Draft:
    """A copy: of which input (None: of what is made on the way), the axes it wants and which of them as one, how they lay, and the kernel
    that reads it, once one does."""

    key: tuple[Any, ...]
    source: Node | None
    axes: Names
    groups: tuple[Names, ...]
    lies: Names
    elements: Size
    dtype: DType
    kernel: str = ""


@dataclass(eq=False)
class Tensor:
    """What stands for a tensor: how it lies (None: by itself, without gaps, in the order of its dimensions, however many), the axes of
    its dimensions, the value that it shows all of, and the copy it is, if it is one. A call with several results has `parts`."""

    memory: Memory | None
    axes: tuple[str, ...] = ()
    root: Tensor | None = None
    draft: Draft | None = None
    parts: tuple[Tensor, ...] = ()

    @property
    def base(self) -> Tensor:
        return self.root or self


class Tracer(Moves):
    """An `Emitter` for one node: `values` has what its inputs are worth. `drafts` are the copies that its lowering makes, `bodies` what is
    inside it."""

    def __init__(self, node: Node, values: Mapping[Node, Any], weights: Sequence[Any], pieces: Mapping[Node, Any]) -> None:
        super().__init__()
        self.node = node
        self.values = values
        self.weights = weights
        self.pieces = pieces
        self.drafts: list[Draft] = []
        self.bodies: list[Orders] = []
        self._memo: dict[Any, Any] = {}
        self._sizes: dict[str, Size] = {}
        self._groups: tuple[Names, ...] = ()

    # ------------------------------------------------ inputs and numbers

    def value(self, node: Node) -> Value:
        value: Value = self.values[node]
        return value

    def parts(self, node: Node) -> tuple[Value, ...]:
        value = self.values[node]
        return value if is_tuple(value) else (value,)

    def tensor(self, node: Node) -> Value:
        value = self.value(node)
        return Value(self.number_tensor(value.fx), ()) if self.is_number(value.fx) else value

    def as_kept(self, node: Node) -> Value:
        return self.value(node)

    def wide(self, node: Node) -> Value:
        return self.tensor(node)

    def weight(self, slot: int, cast: bool = True) -> Value:
        axes = self.weights[slot].axes
        names = tuple(axis.name for axis in axes)
        return Value(Tensor(fresh([axis.size for axis in axes]), names), names)

    def piece(self, node: Node) -> tuple[tuple[int, ...], int] | None:
        found: tuple[tuple[int, ...], int] | None = self.pieces.get(node)
        return found

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def pairs(self, ground: Sequence[Node], nodes: Sequence[Node], results: Sequence[Node], axes: Names) -> tuple[Any, tuple[Any, ...]]:
        return Number(), ()

    def size(self, size: Size) -> Any:
        known = size.integer()
        return size if known is None else known

    def sizes(self, axes: Sequence[Axis]) -> list[Any]:
        return [self.size(axis.size) for axis in axes]

    def is_number(self, x: Any) -> bool:
        return isinstance(x, (*Numeric, Number))

    def number_tensor(self, number: Any) -> Any:
        return Tensor(fresh(()))

    def float_dtype(self) -> Any:
        return None

    def wide_dtype(self) -> Any:
        return None

    def device(self) -> Any:
        return None

    def device_kind(self) -> str:
        return "cpu"

    def per_pair(self, pairs: Any, dimensions: Any, added: bool = False) -> tuple[Any, tuple[Any, ...]]:
        return None, ()

    def training(self) -> Any:
        return Number()

    # ------------------------------------------------ dimensions

    def called(self, x: Any, axes: tuple[str, ...]) -> None:
        if isinstance(x, Tensor):
            x.axes = x.axes or axes

    def settled(self, x: Any, sizes: Sequence[Size]) -> None:
        """Say what dimensions a tensor has that a kernel made."""
        if isinstance(x, Tensor) and _unsettled(x):
            x.memory = fresh(sizes) if x.memory is None else x.memory.settled(sizes)

    def order(self, value: Value, axes: Sequence[str]) -> Any:
        if not self.is_number(value.fx):
            if isinstance(value.fx, Tensor) and _unsettled(value.fx):
                self.settled(value.fx, [self._size_of(name) for name in value.axes])
            self.called(value.fx, value.axes)
        return super().order(value, axes)

    def flat(self, value: Value, groups: Sequence[Sequence[Axis]]) -> Any:
        self._sizes.update({axis.name: axis.size for group in groups for axis in group})
        self._groups = tuple(tuple(axis.name for axis in group) for group in groups)
        x = super().flat(value, groups)
        self.called(x, tuple(" ".join(names) for names in self._groups))
        self._groups = ()
        return x

    def unflat(self, fx: Any, groups: Sequence[Sequence[Axis]]) -> Value:
        self.settled(fx, [product(axis.size for axis in group) for group in groups])
        return super().unflat(fx, groups)

    def _size_of(self, name: str) -> Size:
        if name not in self._sizes:
            for node in (*self.node.inputs, self.node):
                types = node.type.items if isinstance(node.type, TupleType) else (node.type,)
                self._sizes.update({axis.name: axis.size for one in types for axis in one.axes})
        return self._sizes.get(name, Size.symbol(name))

    # ------------------------------------------------ calls

    def method(self, name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
        if name in ("size", "bit_length", "dim", "numel") or not isinstance(x, Tensor):
            return Number()
        if name in SAME or x.memory is None:
            return Tensor(x.memory, x.axes, x.base, x.draft)
        found = moved(name, x.memory, args)
        if name == "narrow":
            return Tensor(found)
        if found is None:
            return Tensor(moved(name, fresh(x.memory.sizes), args), draft=self._copied(x, args))
        return Tensor(found, (), x.base, x.draft)

    def _copied(self, x: Tensor, args: Any) -> Draft:
        """The copy that a move makes; the same one of the same tensor is made once."""
        assert x.memory is not None
        key = (x.base, x.memory, str(args))
        found = next((one for one in self.drafts if one.key == key), None)
        return found or self._draft(x, key, self._groups, x.memory)

    def copied_inside(self, x: Tensor, kernel: str, memory: Memory, together: int) -> None:
        """A copy that a kernel makes of an operand for itself, when it has this memory; it takes the first `together` axes as one."""
        group = tuple(name for axis in x.axes[:together] for name in axis.split())
        self._draft(x, (self.node, len(self.drafts)), (group,), memory).kernel = kernel

    def _draft(self, x: Tensor, key: tuple[Any, ...], groups: tuple[Names, ...], memory: Memory) -> Draft:
        sources = ((node, self.values[node]) for node in self.node.inputs)
        source = next((node for node, value in sources if isinstance(value, Value) and _base(value.fx) is x.base), None)
        dtype = source.dtype if source is not None else self.node.dtype if isinstance(self.node.type, TensorType) else "float"
        lies = tuple(x.axes[i] for i in memory.order) if x.axes else ()
        self.drafts.append(Draft(key, source, x.axes, groups, lies, memory.elements(), dtype))
        return self.drafts[-1]

    def call(self, target: str, *args: Any, **kwargs: Any) -> Any:
        given = [*_tensors((*args, *kwargs.values()))]
        for one in given:
            if one.draft is not None and not one.draft.kernel:
                one.draft.kernel = target.split(".")[-1]
        if args and all(self.is_number(x) for x in args) and target.split(".")[0] in ("operator", "math", "runtime"):
            return _number(target, args)
        if target == "operator.getitem" and given and given[0].parts:
            index: int = args[1]
            return given[0].parts[index]
        return result_of(self, target, args, kwargs)

    # ------------------------------------------------ bodies

    def loop(self, node: Node) -> tuple[Value, ...]:
        """Yields are stacked along the axis, and carries put in order by the loop."""
        carries, cut = node["carries"], node["sliced"]
        body: Body = node["body"]
        outer = [self.tensor(source) for source in node.inputs[carries:]]
        starts = [whole(param.axes) for param in body.params[1 : carries + 1]]
        sliced = [self._step(value, node["axis"]) for value in outer[:cut]]
        inner = self._inside(body, [Value(Number(), ()), *starts, *sliced, *outer[cut:]])
        made = [inner.value(one) for one in body.yields]
        step = Axis(node["axis"], node["length"])
        sizes = [{axis.name: axis for axis in one.axes} for one in body.yields]
        stacked = [whole((step, *(size[name] for name in one.axes))) for one, size in zip(made, sizes, strict=True)]
        return (*stacked, *starts)

    def _step(self, value: Value, axis: str) -> Value:
        """One position of a sliced tensor."""
        rest = tuple(name for name in value.axes if name != axis)
        x = self.order(value, (axis, *rest))
        return Value(Tensor(x.memory.without(0), rest), rest)

    def choice(self, node: Node) -> Value:
        """What both ways give; where they lie otherwise, it is taken as running on nowhere."""
        values = [self.tensor(source) for source in node.inputs]
        ends = [self._way(node, node[name], values) for name in ("first", "second")]
        same = ends[0] == ends[1]
        return Value(Tensor(ends[0] if same else fresh(ends[0].sizes).apart()), node.tensor.names)

    def _way(self, node: Node, body: Body, values: Sequence[Value]) -> Memory:
        inner = self._inside(body, values)
        (result,) = body.yields
        x = Tracer(result, inner.values, self.weights, {}).full(inner.value(result), node.axes)
        memory: Memory | None = x.memory
        return memory or fresh([axis.size for axis in node.axes])

    def _inside(self, body: Body, values: Sequence[Value]) -> Orders:
        from .plan import inside

        self.bodies.append(inside(body, self.weights, values))
        return self.bodies[-1]


def _unsettled(x: Tensor) -> bool:
    """Whether a kernel made it, whose call does not tell all sizes."""
    return not x.parts and (x.memory is None or any(size is UNTOLD for size in x.memory.sizes))


def whole(axes: Sequence[Axis]) -> Value:
    """A value that lies in the order of its axes."""
    names = tuple(axis.name for axis in axes)
    return Value(Tensor(fresh([axis.size for axis in axes]), names), names)


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)  # pyright: ignore[reportUnknownArgumentType]


def _number(target: str, args: Sequence[Any]) -> Any:
    """Arithmetic on sizes, as far as sizes can say it."""
    sizes = all(isinstance(arg, int | Size) for arg in args)
    if sizes and target == "operator.add":
        return args[0] + args[1]
    if sizes and target == "operator.sub":
        return args[0] - args[1]
    if sizes and target == "operator.mul":
        return args[0] * args[1]
    return -args[0] if sizes and target == "operator.neg" else Number()


def _base(x: Any) -> Tensor | None:
    return x.base if isinstance(x, Tensor) else None
