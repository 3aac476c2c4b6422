"""What order the results of PyTorch's kernels have, and which operands they copy inside, as measured by `tests/lower/test_orders.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..ops.base import OPERATORS
from ..sizes import Size, equal
from .memory import UNTOLD, Memory, elementwise, fresh

if TYPE_CHECKING:
    from .tracing import Tensor, Tracer

Args = Sequence[Any]
Options = Mapping[str, Any]
Rule = Callable[["Tracer", Args, Options], "Tensor"]


def result_of(tracer: Tracer, target: str, args: Args, kwargs: Options) -> Any:
    """What a call gives. One that is not known gives numbers of its own, in the order of their dimensions."""
    from .tracing import Tensor

    rule = RULES.get(target)
    if rule is not None:
        return rule(tracer, args, kwargs)
    if target in ELEMENTWISE or OPERATORS[tracer.node.op].pointwise:
        return _elementwise(tracer, args, kwargs)
    return Tensor(None)


def _memories(args: Args) -> list[Memory | None]:
    from .tracing import Tensor

    return [arg.memory for arg in args if isinstance(arg, Tensor)]


def _elementwise(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """Numbers of its own in the order of the operands."""
    from .tracing import Tensor

    found = _memories(args)
    known = [memory for memory in found if memory is not None]
    return Tensor(elementwise(known) if known and len(known) == len(found) else None)


def _linear(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """Rows are taken as one: where they do not lie so, they are copied inside."""
    from .tracing import Tensor

    x, weight = args[0].memory, args[1].memory
    if x is None or weight is None:
        return Tensor(None)
    _rows_as_one(tracer, args[0], "linear")
    return Tensor(fresh((*x.sizes[:-1], weight.sizes[0])))


def _matmul(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """Leading dimensions of both are taken as one, or rows where one of them has none."""
    from .tracing import Tensor

    left, right = args[0].memory, args[1].memory
    if left is None or right is None:
        for arg in args[:2]:
            _as_one(tracer, arg, "matmul")
        return Tensor(None)
    if len(left.sizes) == 1 or len(right.sizes) == 1:
        return Tensor(None)
    if len(right.sizes) == 2:
        _rows_as_one(tracer, args[0], "matmul")
        return Tensor(fresh((*left.sizes[:-1], right.sizes[1])))
    if len(left.sizes) == 2:
        return Tensor(None)
    lead = elementwise([fresh(left.sizes[:-2]), fresh(right.sizes[:-2])]).sizes
    for arg in args[:2]:
        _as_one(tracer, arg, "matmul", arg.memory.expanded([*lead, None, None]))
    return Tensor(fresh((*lead, left.sizes[-2], right.sizes[-1])))


def _batched(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """[batch, rows, columns] of its own; operands are read as they lie."""
    from .tracing import Tensor

    left, right = args[1].memory, args[2].memory
    return Tensor(fresh((*left.sizes[:2], right.sizes[2])) if left is not None and right is not None else None)


def _rows_as_one(tracer: Tracer, x: Tensor, kernel: str) -> None:
    """A copy inside a kernel that wants rows of features, where the rows do not run on."""
    sizes = x.memory.sizes if x.memory is not None else ()
    if x.memory is not None and len(sizes) > 2 and x.memory.reshaped((fresh(sizes[:-1]).elements(), sizes[-1])) is None:
        tracer.copied_inside(x, kernel, x.memory, -1)


def _as_one(tracer: Tracer, x: Tensor, kernel: str, lies: Memory | None = None) -> None:
    """A copy inside a kernel that wants one leading dimension before the last two; `lies` is what is left of `x` by then."""
    memory = lies or x.memory
    sizes = memory.sizes if memory is not None else ()
    if memory is not None and len(sizes) > 3 and memory.reshaped((fresh(sizes[:-2]).elements(), *sizes[-2:])) is None:
        tracer.copied_inside(x, kernel, memory, -2)


def _attention(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """[batch, heads, rows, features], in the order of the queries where the fused kernel takes it: it wants as many features in all, and
    those side by side."""
    from .tracing import Tensor

    q, k, v = (arg.memory for arg in args[:3])
    if q is None or v is None:
        return Tensor(None)
    fused = all(map(_features_inside, (q, k, v))) and "dropout_p" not in kwargs and equal(q.sizes[3], v.sizes[3]) is not False
    if not fused:
        return _products(tracer, args, kwargs)
    order = elementwise([q])
    return Tensor(Memory((*q.sizes[:3], v.sizes[3]), order.places, order.joined))


def _products(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """[batch, heads, rows, features] in this order, where PyTorch takes products, or we do."""
    from .tracing import Tensor

    for arg, scaled in zip(args[:3], (True, True, False), strict=True):
        _as_one(tracer, arg, "scaled_dot_product_attention", elementwise([arg.memory]) if scaled and arg.memory is not None else None)
    q, v = args[0].memory, args[2].memory
    return Tensor(fresh((*q.sizes[:3], v.sizes[3])) if q is not None and v is not None else None)


def _features_inside(memory: Memory | None) -> bool:
    if memory is None:
        return True
    last = memory.places[-1]
    return last is None or (memory.unit and last == len(memory.joined) - 1)


def _masked_attention(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """`torch.where` of whether a row has any key, the attention, and zero."""
    from .tracing import Tensor

    y, where = (_products if kwargs.get("products") else _attention)(tracer, args, kwargs).memory, args[3].memory
    if y is None or where is None:
        return Tensor(None)
    return Tensor(elementwise([fresh((*where.sizes[:-1], Size.of(1))), y]))


def _attention_in_parts(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """Parts of rows, put together."""
    from .tracing import Tensor

    y = _attention(tracer, args, kwargs).memory
    return Tensor(fresh(y.sizes) if y is not None else None)


def _sink_attention(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """The attention of wider features, cut."""
    from .tracing import Tensor

    y = _attention(tracer, args, kwargs).memory
    return Tensor(y.cut(3, UNTOLD).cut(3, y.sizes[3]) if y is not None else None)


def _convolved(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """With channels innermost where the input or the kernel has them so, else in the order of the dimensions."""
    from .tracing import Tensor

    x, kernel = args[0].memory, args[1].memory
    if x is None or kernel is None or len(x.sizes) < 4 or not any(map(_channels_last, (x, kernel))):
        return Tensor(None)
    sizes = (x.sizes[0], kernel.sizes[0], *(UNTOLD for _ in x.sizes[2:]))
    return Tensor(fresh(sizes, (0, *range(2, len(sizes)), 1)))


def _channels_last(memory: Memory) -> bool:
    count = len(memory.sizes)
    return memory.dense and memory.order == (0, *range(2, count), 1)


def _view(name: str) -> Rule:
    """A function of torch that is also a method which moves."""

    def rule(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
        found: Tensor = tracer.method(name, *args)
        return found

    return rule


def _in_order(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """As many numbers of its own, in the order of their dimensions."""
    from .tracing import Tensor

    return Tensor(None if args[0].memory is None else fresh(args[0].memory.sizes))


def _padded(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """In the order of its dimensions; those that are padded have a size that the type tells."""
    from .tracing import Tensor

    x, amounts = args[0].memory, args[1]
    if x is None:
        return Tensor(None)
    first = len(x.sizes) - len(amounts) // 2
    pairs = [amounts[2 * i : 2 * i + 2] for i in range(len(amounts) // 2)][::-1]
    grown = {first + i for i, pair in enumerate(pairs) if [*pair] != [0, 0]}
    return Tensor(fresh([UNTOLD if i in grown else size for i, size in enumerate(x.sizes)]))


def _select(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    from .tracing import Tensor

    x = args[0]
    return Tensor(x.memory.without(args[1]) if x.memory is not None else None)


def _unbind(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    """Each position of a dimension, as a view."""
    from .tracing import Tensor

    x, at = args
    count = x.memory.sizes[at].integer() or 0
    return Tensor(None, parts=tuple(Tensor(x.memory.without(at)) for _ in range(count)))


def _split(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    from .tracing import Tensor

    x, sizes, at = args
    return Tensor(None, parts=tuple(Tensor(x.memory.cut(at, Size.of(size))) for size in sizes))


def _flip(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    return _elementwise(tracer, args[:1], kwargs)


def _first_alone(tracer: Tracer, args: Args, kwargs: Options) -> Tensor:
    return _elementwise(tracer, args[:1], kwargs)


RULES: dict[str, Rule] = {
    "torch.nn.functional.linear": _linear,
    "torch.matmul": _matmul,
    "torch.baddbmm": _batched,
    "torch.nn.functional.scaled_dot_product_attention": _attention,
    "runtime.features_last": _view("detach"),  # in eager it is the same tensor
    "runtime.few_keys_attention": _products,
    "runtime.masked_attention": _masked_attention,
    "runtime.sink_attention": _sink_attention,
    "runtime.distance_attention": _attention_in_parts,
    "runtime.prefix_attention": _attention,
    "runtime.grouped_attention": _attention_in_parts,
    "runtime.routed_attention": _attention_in_parts,
    "runtime.block_attention": _attention_in_parts,
    "torch.nn.functional.conv1d": _convolved,
    "torch.nn.functional.conv2d": _convolved,
    "torch.nn.functional.conv3d": _convolved,
    "torch.narrow": _view("narrow"),
    "torch.cumsum": _in_order,
    "torch.cumprod": _in_order,
    "torch.nn.functional.pad": _padded,
    "runtime.padded": _padded,
    "torch.select": _select,
    "torch.unbind": _unbind,
    "torch.split_with_sizes": _split,
    "torch.flip": _flip,
    "torch.nn.functional.dropout": _first_alone,
    "runtime.drop_path": _first_alone,
    "runtime.l2_normalize": _first_alone,
}
ELEMENTWISE = frozenset(
    {"torch.where", "torch.mul", "torch.add", "torch.neg", "torch.clamp", "torch.tanh", "torch.sigmoid", "torch.relu", "torch.square",
     "torch.floor", "torch.div", "torch.pow", "operator.add", "operator.sub", "operator.mul", "operator.truediv", "operator.pow",
     "operator.neg", "operator.lt", "operator.le", "operator.gt", "operator.ge", "operator.eq", "operator.ne",
     "operator.xor", "operator.invert"}
)  # fmt: skip
