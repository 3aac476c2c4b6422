"""Reading the arguments of an operator call against its signature. The place decides whether a name is an axis or a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...dsl import tree
from ...dsl.closest import closest
from ...dsl.diagnostics import Diagnostic, Fault, fault
from ...dsl.source import Span
from ..graph import Node
from ..ops.base import ArrowRef, AxisRef, Call, Operator, Option
from ..sizes import Size
from ..types import STAR
from .expressions import as_tensor, evaluate, size
from .frame import Frame
from .options import read_option
from .scope import hidden_sizes
from .values import Poisoned

# ---------------------------------------------------------------- axes


def axis_refs(frame: Frame, items: tuple[tree.AxisItem, ...]) -> tuple[AxisRef, ...]:
    """Axes as written, resolved; `*` becomes every axis it hides."""
    refs: list[AxisRef] = []
    for item in items:
        if item.name == STAR:
            sizes = hidden_sizes(frame.scope)
            refs.extend(AxisRef(frame.local(symbol), symbol, sizes.get(symbol), item.span) for symbol in frame.scope.hidden)
        else:
            refs.append(axis_ref(frame, item))
    return tuple(refs)


def axis_ref(frame: Frame, item: tree.AxisItem) -> AxisRef:
    if item.is_number:
        if item.name != "1":
            raise Fault(
                Diagnostic("E0209", f"`{item.name}` cannot stand for an axis", item.span, help="name the new axis and give it a size: a=4")
            )
        return AxisRef(item.name, "", Size.of(1), item.span)
    try:
        given = size(frame, item.size, f"axis `{item.name}`") if item.size is not None else None
    except (Fault, Poisoned):
        frame.scope.entry(item.name).spoiled = True
        raise
    known = frame.scope.sizes(item.name)
    entry = frame.scope.entry(item.name)
    value = given if given is not None else known[0].size if len(known) == 1 else None
    return AxisRef(item.name, entry.symbol, value, item.span, given is not None)


def axis_items(value: tree.Expr | tree.AxisList) -> tuple[tree.AxisItem, ...] | None:
    """An argument as a list of axes, where it can be one."""
    if isinstance(value, tree.AxisList):
        return value.items
    if isinstance(value, tree.Paren):
        return axis_items(value.value)
    if isinstance(value, tree.Name):
        return (tree.AxisItem(value.span, value.text),)
    if isinstance(value, tree.Int):
        return (tree.AxisItem(value.span, str(value.value)),)
    return None


def named_once(refs: Sequence[AxisRef]) -> None:
    """Raises Fault E0204 where a list names an axis twice."""
    names = [ref.symbol for ref in refs if not ref.is_number]
    for ref in refs:
        if not ref.is_number and names.count(ref.symbol) > 1:
            raise fault("E0204", f"axis `{ref.name}` is named twice", ref.span, "once is enough")


def read_axes(frame: Frame, value: tree.Expr | tree.AxisList | tree.Arrow, what: str) -> tuple[AxisRef, ...]:
    items = None if isinstance(value, tree.Arrow) else axis_items(value)
    if items is None:
        raise Fault(
            Diagnostic("E0209", f"{what} needs names of axes", value.span, "these are no axes", help="write them side by side: H W")
        )
    return axis_refs(frame, items)


def read_arrow(frame: Frame, arrow: tree.Arrow, sums: bool) -> ArrowRef:
    """Both sides resolved. Where an operator takes sums, `+` after a size parts axes too."""
    left = tuple(axis_refs(frame, term.items) for term in arrow.left)
    right = tuple(axis_refs(frame, term) for part in arrow.right for term in (_unfold_sum(part) if sums else (part.items,)))
    return ArrowRef(left, right, arrow.span)


def _unfold_sum(term: tree.AxisList) -> tuple[tuple[tree.AxisItem, ...], ...]:
    """`L=3 + P` was read as one size; apart it is `L=3` and `P`."""
    last = term.items[-1]
    extra: list[tree.AxisItem] = []
    sized = last.size
    while isinstance(sized, tree.Binary) and sized.op == "+" and isinstance(sized.right, tree.Name):
        extra.append(tree.AxisItem(sized.right.span, sized.right.text))
        sized = sized.left
    return (*((*term.items[:-1], last.replace(size=sized)),), *((item,) for item in reversed(extra)))


# ---------------------------------------------------------------- the call


@dataclass
class Reading:
    """What has been read so far of one call."""

    frame: Frame
    operator: Operator
    span: Span
    groups: list[tuple[Node, ...]] = field(default_factory=list[tuple[Node, ...]])
    spans: list[Span] = field(default_factory=list[Span])
    named: dict[int, tuple[tuple[Node, ...], Span]] = field(default_factory=dict[int, tuple[tuple[Node, ...], Span]])
    axes: list[AxisRef] = field(default_factory=list[AxisRef])
    arrows: list[ArrowRef] = field(default_factory=list[ArrowRef])
    over: tuple[AxisRef, ...] = ()
    over_arrow: ArrowRef | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    option_spans: dict[str, Span] = field(default_factory=dict[str, Span])
    settings: list[tuple[AxisRef, Any]] = field(default_factory=list[tuple[AxisRef, Any]])
    axes_given: bool = False

    @property
    def full(self) -> bool:
        """Whether every place for a tensor is taken."""
        signature = self.operator.signature
        return not signature.variadic and len(self.groups) + len(self.named) >= len(signature.tensors)


def read_call(frame: Frame, operator: Operator, args: tuple[tree.Arg, ...], piped: tuple[Node, Span] | None, span: Span) -> Reading:
    """All arguments of a call. Raises Fault for the first that does not fit."""
    reading = Reading(frame, operator, span)
    if piped is not None:
        reading.groups.append((piped[0],))
        reading.spans.append(piped[1])
    positional = [arg for arg in args if arg.name is None]
    for index, arg in enumerate(positional):
        _positional(reading, arg.value, index == len(positional) - 1)
    for arg in args:
        if arg.name is not None:
            _keyword(reading, arg.name, arg)
    return reading


def _positional(reading: Reading, value: tree.Expr | tree.AxisList | tree.Arrow, last: bool) -> None:
    if isinstance(value, tree.Arrow):
        reading.arrows.append(read_arrow(reading.frame, value, reading.operator.name in ("split", "concat")))
        reading.axes_given = True
    elif isinstance(value, tree.AxisList) or _means_axis(reading, value, last):
        reading.axes.extend(read_axes(reading.frame, value, f"`{reading.operator.name}`"))
        reading.axes_given = True
    elif reading.full:
        _next_option(reading, value)
    else:
        reading.groups.append(_tensors(reading, value))
        reading.spans.append(value.span)


def _means_axis(reading: Reading, value: tree.Expr, last: bool) -> bool:
    signature = reading.operator.signature
    if signature.axes == "none" or not isinstance(value, tree.Name):
        return isinstance(value, tree.Paren) and isinstance(value.value, tree.AxisList)
    scope = reading.frame.scope
    if reading.full:
        return True
    if value.text in scope.values:
        makes_axis = last and bool(reading.groups) and scope.knows_axis(value.text) and not reading.axes_given
        return makes_axis and not isinstance(scope.values[value.text], Node)
    if scope.knows_axis(value.text):
        return True
    return last and signature.variadic and bool(reading.groups)


def _next_option(reading: Reading, value: tree.Expr) -> None:
    """`dropout(x, 0.1)`, `clamp(x, 0, 1)`: numbers after the tensors are the options in their order."""
    option = next((option for option in reading.operator.signature.options if option.name not in reading.options), None)
    if (
        option is None
        or option.kind in ("axes", "axes_list", "layer", "init")
        or (_is_tensor(reading.frame, value) and option.kind != "tensor")
    ):
        _too_many(reading, value)
        return
    reading.options[option.name] = read_option(reading.frame, option, value, reading.operator.name)
    reading.option_spans[option.name] = value.span


def _is_tensor(frame: Frame, value: tree.Expr) -> bool:
    return isinstance(value, tree.Name) and isinstance(frame.scope.values.get(value.text), Node)


def _too_many(reading: Reading, value: tree.Expr) -> None:
    signature = reading.operator.signature
    places = ", ".join(signature.tensors) or "no tensors"
    raise fault(
        "E0302",
        f"`{reading.operator.name}` takes {len(signature.tensors)} tensor{'s' * (len(signature.tensors) != 1)} ({places})",
        value.span,
        "this one is too many",
        help="options are given by name: " + ", ".join(f"{option.name}=" for option in signature.options[:8]) if signature.options else "",
    )


def _tensors(reading: Reading, value: tree.Expr) -> tuple[Node, ...]:
    if isinstance(value, tree.TupleOf):
        if not reading.operator.signature.tuples:
            raise fault("E0302", f"`{reading.operator.name}` takes single tensors here", value.span, "this is a group")
        return tuple(_one(reading.frame, item) for item in value.items)
    return (_one(reading.frame, value),)


def _one(frame: Frame, value: tree.Expr | tree.AxisList) -> Node:
    if isinstance(value, tree.AxisList):
        raise fault("E0300", "a tensor is needed here, these are axes", value.span)
    return as_tensor(frame, evaluate(frame, value), value.span)


def _keyword(reading: Reading, name: str, arg: tree.Arg) -> None:
    signature = reading.operator.signature
    option = next((option for option in signature.options if option.name == name), None)
    if option is not None:
        reading.options[name] = read_option(reading.frame, option, arg.value, reading.operator.name)
        reading.option_spans[name] = arg.value.span
    elif name == "over" and (signature.over or signature.axes != "none"):
        _over(reading, arg)
    elif name in signature.tensors and not isinstance(arg.value, tree.AxisList | tree.Arrow):
        reading.named[signature.tensors.index(name)] = (_tensors(reading, arg.value), arg.value.span)
    elif signature.settings:
        _setting(reading, name, arg)
    else:
        raise _unknown_option(reading, name, arg)


def _over(reading: Reading, arg: tree.Arg) -> None:
    reading.option_spans["over"] = arg.value.span
    separate = bool(reading.operator.signature.over)
    if isinstance(arg.value, tree.Arrow):
        arrow = read_arrow(reading.frame, arg.value, sums=False)
        if separate:
            reading.over_arrow = arrow
        else:
            reading.arrows.append(arrow)
        return
    refs = read_axes(reading.frame, arg.value, "`over=`")
    if separate:
        reading.over = refs
    else:
        reading.axes.extend(refs)
    reading.axes_given = True


def _setting(reading: Reading, name: str, arg: tree.Arg) -> None:
    """`H=[5, 0]`: a value for one axis."""
    span = Span(arg.span.source, arg.span.start, arg.span.start + len(name))
    frame = reading.frame
    if not frame.scope.knows_axis(name) and reading.operator.signature.settings != "int":
        known = list(frame.scope.axes)
        near = closest(name, [*known, *(option.name for option in reading.operator.signature.options)])
        if near is not None:
            raise _unknown_option(reading, name, arg)
    ref = axis_ref(frame, tree.AxisItem(span, name))
    option = Option(name, reading.operator.signature.settings, default=0)
    value = read_option(frame, option, arg.value, reading.operator.name)
    if option.kind == "int" and isinstance(value, Size):
        ref = ref.replace(size=value, given=True)
    reading.settings.append((ref, value))


def _unknown_option(reading: Reading, name: str, arg: tree.Arg) -> Fault:
    signature = reading.operator.signature
    names = [option.name for option in signature.options] + (["over"] if signature.over or signature.axes != "none" else [])
    near = closest(name, names)
    help = f"did you mean `{near}`?" if near else f"its options: {', '.join(names)}" if names else "it has no options"
    span = Span(arg.span.source, arg.span.start, arg.span.start + len(name))
    return fault("E0103", f"`{reading.operator.name}` has no option `{name}`", span, "not known", help=help)


# ---------------------------------------------------------------- from a reading to a call


def missing_tensors(reading: Reading) -> int:
    """How many tensors are still to come; all of them makes a layer."""
    signature = reading.operator.signature
    return max(len(signature.tensors) - len(reading.groups) - len(reading.named), 0)


def finish(reading: Reading, tensors: tuple[tuple[Node, ...], ...], spans: tuple[Span, ...], span: Span, frame: Frame) -> Call:
    """The bound call, with defaults for what was not given."""
    signature = reading.operator.signature
    groups, places = list(tensors), list(spans)
    for index in sorted(reading.named):
        groups.insert(index, reading.named[index][0])
        places.insert(index, reading.named[index][1])
    defaults = {option.name: option.default for option in signature.options}
    _check_axes(reading)
    flat = tuple(node for group in groups for node in group)
    flat_spans = tuple(place for group, place in zip(groups, places, strict=True) for _ in group)
    return Call(
        reading.operator.name,
        span,
        frame,
        flat,
        tuple(groups),
        flat_spans,
        tuple(reading.axes),
        tuple(reading.arrows),
        reading.over,
        reading.over_arrow,
        {**defaults, **reading.options},
        reading.option_spans,
        tuple(reading.settings),
    )


def _check_axes(reading: Reading) -> None:
    """The kind of axes argument the operator asks for."""
    name, want = reading.operator.name, reading.operator.signature.axes
    optional, kinds = want.endswith("?"), want.rstrip("?")
    if reading.arrows and "arrow" not in kinds:
        raise fault("E0209", f"`{name}` takes no arrow", reading.arrows[0].span, "this is an arrow")
    if reading.axes and "list" not in kinds:
        shape = "an arrow, such as `C -> E`" if "arrow" in kinds else "no axes"
        raise fault("E0209", f"`{name}` takes {shape}", reading.axes[0].span, "this names an axis")
    if len(reading.arrows) > 1 and "arrows" not in kinds:
        raise fault("E0209", f"`{name}` takes one arrow", reading.arrows[1].span, "this one is too many")
    if not optional and kinds != "none" and not reading.axes_given and not reading.settings and not reading.arrows:
        what = {"list": "axes", "arrow": "an arrow, such as `C -> E`", "arrows": "an arrow, such as `H -> Y u=7`"}.get(
            kinds, "axes or an arrow"
        )
        raise fault("E0212", f"`{name}` must be told {what}", reading.span, "none given here", notes=_axes_of(reading))
    named_once(reading.axes)
    named_once(reading.over)


def _axes_of(reading: Reading) -> tuple[str, ...]:
    if not reading.groups:
        return ()
    shown = ", ".join(reading.frame.local(name) for name in reading.groups[0][0].tensor.names)
    return (f"the tensor's axes: {shown}",)
