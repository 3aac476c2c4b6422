"""A block called inside another: its axes are lined up with the caller's by name, its body is built in place, its results renamed back."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...dsl import tree
from ...dsl.diagnostics import Label, fault
from ...dsl.source import Span
from ..graph import Node
from ..ops.shape import merge_axes, rename_axes, split_axis
from ..sizes import product
from ..types import STAR, Axis
from . import naming
from .blocks import AxisArgument, BlockReading, axis_name, signature_axes, static_names
from .frame import Frame
from .results import check_results, declare_results
from .scope import Scope
from .session import Visit
from .signatures import fill_scope
from .values import POISON, Several, Value

MAX_DEPTH = 64


@dataclass
class Crossing:
    """How the callee's axes and the caller's correspond. `back`: callee symbol to caller symbol; `groups`: callee symbol to the caller's
    axes it stands for. `home` is where a layer was made, whose axes it may still name where the caller has none of the name."""

    caller: Frame
    reading: BlockReading
    scope: Scope
    home: Frame | None = None
    back: dict[str, str] = field(default_factory=dict[str, str])
    groups: dict[str, tuple[Axis, ...]] = field(default_factory=dict[str, tuple[Axis, ...]])
    hidden: list[str] = field(default_factory=list[str])


def invoke(frame: Frame, reading: BlockReading, owner: naming.Owner, title: str, span: Span, home: Frame | None = None) -> Value:
    """The results of a block on these arguments. Mistakes inside are reported on the way and leave poison."""
    block, session = reading.block, frame.session
    if any(visit.block is block for visit in session.visits):
        chain = " -> ".join([visit.name for visit in session.visits if visit.block is not None] + [block.name])
        raise fault("E0508", f"block `{block.name}` calls itself", span, f"{chain}", help="repeat with `for` or `scan`")
    if len(session.visits) >= MAX_DEPTH:
        raise fault("E0509", f"blocks are called more than {MAX_DEPTH} deep", span)
    session.count_call(span)
    scope = Scope(reading.unit)
    crossing = Crossing(frame, reading, scope, home)
    tensors = _enter(crossing)
    session.visits.append(Visit(block, block.name, span.called_from(session.visits[-1].call), reading.span, frame.turn))
    try:
        inner = Frame(session, scope, owner, owner.inside(("block",), ()), trail=(*frame.trail, title), steps=frame.steps)
        fill_scope(inner, reading, tensors)
        declare_results(inner, block)
        from .statements import run_body

        values = run_body(inner, block)
        if values is None:
            return POISON
        results = check_results(inner, block, values)
    finally:
        session.visits.pop()
    returned = tuple(_leave(crossing, node, span) for node in results)
    names = tuple(result.name or "" for result in block.results)
    for name, node in zip(names, returned, strict=True):
        session.mention(owner, name, node)
    return returned[0] if len(returned) == 1 else Several(returned, names=names)


# ---------------------------------------------------------------- entering


def _enter(crossing: Crossing) -> dict[str, Node]:
    reading, known = crossing.reading, static_names(crossing.reading.block)
    crossing.scope.avoid.update(_all_symbols(reading))
    _bind_given_axes(crossing)
    tensors: dict[str, Node] = {}
    for param in reading.block.params:
        node = reading.given.get(param.name)
        if isinstance(param.spec, tree.TensorSpec) and isinstance(node, Node):
            tensors[param.name] = _enter_tensor(crossing, param, param.spec, node, known)
    tensors = _separate_hidden(crossing, tensors)
    crossing.scope.hidden = tuple(dict.fromkeys(crossing.hidden))
    known_sizes = {axis.name: axis.size for node in tensors.values() for axis in node.tensor.axes}
    crossing.scope.hidden_sizes = {name: known_sizes[name] for name in crossing.scope.hidden}
    return tensors


def _all_symbols(reading: BlockReading) -> set[str]:
    return {name for node in reading.given.values() if isinstance(node, Node) for name in node.tensor.names}


def _bind_given_axes(crossing: Crossing) -> None:
    """Axes that are given as a size, or that no input has (`K: axis`)."""
    reading = crossing.reading
    in_inputs = {
        axis_name(spec, static_names(reading.block))
        for param in reading.block.params
        if isinstance(param.spec, tree.TensorSpec)
        for spec in param.spec.axes
    }
    for param in reading.block.params:
        if isinstance(param.spec, tree.AxisKind) and param.name not in reading.axes:
            argument = _same_name(crossing, param)
            reading.axes[param.name] = argument
    for name, argument in reading.axes.items():
        if argument.size is not None:
            crossing.scope.bind_axis(name, crossing.caller.fresh(name, [*crossing.scope.avoid])).add(
                argument.size, argument.span, "given in the call"
            )
        elif name not in in_inputs:
            _bind_outside(crossing, name, argument)


def _same_name(crossing: Crossing, param: tree.Param) -> AxisArgument:
    if not crossing.caller.scope.knows_axis(param.name):
        raise fault(
            "E0301",
            f"block `{crossing.reading.block.name}` needs axis `{param.name}`",
            crossing.reading.span,
            "not given",
            (Label(param.span, "declared here"),),
            help=f"name one, or give a size: {param.name}=16",
        )
    item = tree.AxisItem(crossing.reading.span, param.name)
    return AxisArgument((item,), None, crossing.reading.span)


def _bind_outside(crossing: Crossing, name: str, argument: AxisArgument) -> None:
    from .arguments import axis_ref

    ref = axis_ref(crossing.caller, argument.items[0])
    entry = crossing.scope.bind_axis(name, ref.symbol)
    made = all(param.name != name for param in crossing.reading.block.params) and not crossing.caller.scope.sizes(ref.name)
    if not made:  # an axis that only a result has gets its size in the block
        entry.add(crossing.caller.size_of(ref), argument.span, "given in the call")
    crossing.back[ref.symbol] = ref.symbol


def _enter_tensor(crossing: Crossing, param: tree.Param, spec: tree.TensorSpec, node: Node, known: set[str]) -> Node:
    """The argument with the callee's axes: groups merged, clashing names renamed, the rest hidden in `*`."""
    span = crossing.reading.spans.get(param.name, crossing.reading.span)
    mine: list[str] = []
    pairs: list[tuple[str, str]] = []
    for axis in spec.axes:
        name = axis_name(axis, known)
        if axis.name == STAR:
            continue
        if name is None:
            raise fault("E0506", "this axis has no name", axis.span, "several could be meant", help="write it as name = size")
        node, symbol, inside = _find_axis(crossing, param, name, node, span, mine)
        mine.append(inside)
        if symbol != inside:
            pairs.append((symbol, inside))
    if pairs:
        node = rename_axes(crossing.caller, node, pairs, span)
    extra = [name for name in node.tensor.names if name not in mine]
    if extra and not any(axis.name == STAR for axis in spec.axes):
        shown = crossing.caller.local(extra[0])
        raise fault(
            "E0309",
            f"`{param.name}` of block `{crossing.reading.block.name}` takes no axis `{shown}`",
            span,
            "this tensor has it",
            (Label(spec.span, "declared here"),),
            help="a `*` in the signature would let any axes through",
        )
    crossing.hidden.extend(extra)
    return node


def _find_axis(crossing: Crossing, param: tree.Param, name: str, node: Node, span: Span, mine: list[str]) -> tuple[Node, str, str]:
    """The tensor (a group merged), the caller's symbol for callee axis `name`, and the callee's."""
    argument = crossing.reading.axes.get(name)
    items = argument.items if argument is not None and argument.items else (tree.AxisItem(span, name),)
    symbols = [_caller_symbol(crossing, param, name, item, node, span) for item in items]
    bound = crossing.scope.axes.get(name)
    if len(symbols) > 1:
        return _merge_group(crossing, name, symbols, node, span)
    symbol = symbols[0]
    if symbol in mine:
        raise fault("E0204", f"axis `{crossing.caller.local(symbol)}` is bound twice in one tensor", span, "here")
    if bound is None:
        inside = symbol if symbol not in crossing.back else crossing.caller.fresh(symbol + "_", [*crossing.scope.avoid])
        bound = crossing.scope.bind_axis(name, inside)
        crossing.back[inside] = symbol
    bound.add(node.tensor.size(symbol), span, f"in `{param.name}`")
    return node, symbol, bound.symbol


def _caller_symbol(crossing: Crossing, param: tree.Param, name: str, item: tree.AxisItem, node: Node, span: Span) -> str:
    for frame in (crossing.caller, crossing.home):
        symbol = _known_symbol(frame.scope, item.name) if frame is not None else None
        if symbol is not None and node.tensor.has(symbol):
            return symbol
    block = crossing.reading.block
    shown = [crossing.caller.local(symbol) for symbol in node.tensor.names]
    free = [axis for axis in shown if axis not in signature_axes(block) and axis != STAR]
    suggestion = f"bind another one: {block.name}(..., {name}={free[-1] if free else 'K'})"
    raise fault(
        "E0301",
        f"block `{block.name}` needs axis `{item.name}`, and this tensor has none",
        span,
        f"its axes: {', '.join(shown)}",
        (Label(param.span, f"`{name}` is declared here"),),
        help=suggestion,
    )


def _known_symbol(scope: Scope, name: str) -> str | None:
    """The symbol of an axis that the scope knows, be it as the original of a primed one."""
    return scope.entry(name).symbol if name in scope.axes or (name.endswith("'") and name.rstrip("'") in scope.axes) else None


def _merge_group(crossing: Crossing, name: str, symbols: list[str], node: Node, span: Span) -> tuple[Node, str, str]:
    axes = tuple(Axis(symbol, node.tensor.size(symbol)) for symbol in symbols)
    total = product(axis.size for axis in axes)
    bound = crossing.scope.axes.get(name)
    if bound is None:
        bound = crossing.scope.bind_axis(name, crossing.caller.fresh(name, [*crossing.scope.avoid]))
        crossing.groups[bound.symbol] = axes
    bound.add(total, span, "a group of axes")
    merged = merge_axes(crossing.caller, node, symbols, Axis(bound.symbol, total), span)
    return merged, bound.symbol, bound.symbol


def _separate_hidden(crossing: Crossing, tensors: dict[str, Node]) -> dict[str, Node]:
    """An axis hidden in one argument that is the callee's own in another gets a name of its own."""
    own = {entry.symbol for entry in crossing.scope.axes.values()}
    clashes = [symbol for symbol in dict.fromkeys(crossing.hidden) if symbol in own]
    if not clashes:
        return tensors
    fresh = {symbol: crossing.caller.fresh(symbol + "_", [*crossing.scope.avoid, *own]) for symbol in clashes}
    for symbol, inside in fresh.items():
        crossing.back[inside] = symbol
    known = static_names(crossing.reading.block)
    for param in crossing.reading.block.params:
        node = tensors.get(param.name)
        if node is None or not isinstance(param.spec, tree.TensorSpec):
            continue
        declared = {
            crossing.scope.axes[name].symbol for axis in param.spec.axes if (name := axis_name(axis, known)) in crossing.scope.axes and name
        }
        pairs = [(symbol, inside) for symbol, inside in fresh.items() if node.tensor.has(symbol) and symbol not in declared]
        if pairs:
            tensors[param.name] = rename_axes(crossing.caller, node, pairs, crossing.reading.span)
    crossing.hidden = [fresh.get(symbol, symbol) for symbol in crossing.hidden]
    return tensors


# ---------------------------------------------------------------- leaving


def _leave(crossing: Crossing, node: Node, span: Span) -> Node:
    """A result with the caller's axis names; one that would come twice is primed."""
    caller = crossing.caller
    for symbol, axes in crossing.groups.items():
        for inside in [name for name in node.tensor.names if name.rstrip("'") == symbol]:
            marks = inside[len(symbol) :]
            parts = [
                Axis(axis.name if not marks else caller.scope.entry(caller.local(axis.name) + marks).symbol, axis.size) for axis in axes
            ]
            node = split_axis(caller, node, inside, parts, span)
    pairs: list[tuple[str, str]] = []
    taken: list[str] = []
    order = sorted(node.tensor.names, key=lambda name: crossing.back.get(name) != name)
    for symbol in [
        *[name for name in order if name in crossing.scope.hidden],
        *[name for name in order if name not in crossing.scope.hidden],
    ]:
        outside = _outside(crossing, symbol)
        while outside in taken:
            outside = caller.scope.entry(caller.local(outside) + "'").symbol
        taken.append(outside)
        if outside != symbol:
            pairs.append((symbol, outside))
    return rename_axes(caller, node, pairs, span) if pairs else node


def _outside(crossing: Crossing, symbol: str) -> str:
    """The caller's symbol for an axis of a result."""
    caller = crossing.caller
    if symbol in crossing.back:
        return crossing.back[symbol]
    grouped = {axis.name for axes in crossing.groups.values() for axis in axes}
    if symbol in crossing.scope.hidden or symbol in grouped:
        return symbol
    local = crossing.scope.local(symbol)
    bare = local.rstrip("'")
    if bare != local:
        base = crossing.scope.axes[bare].symbol if bare in crossing.scope.axes else None
        if base is not None:
            return caller.scope.entry(caller.local(crossing.back.get(base, base)) + local[len(bare) :]).symbol
    return caller.scope.entry(local).symbol
