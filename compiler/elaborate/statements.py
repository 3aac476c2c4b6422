"""Running the statements of a block. A mistake is reported where it is found and poisons what it should have made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...dsl import tree
from ...dsl.diagnostics import Diagnostic, Fault, fault
from ...dsl.source import Span
from ..graph import Node
from ..sizes import Size, SizeTooLarge
from ..types import STAR, Axis
from . import statics
from .arithmetic import condition
from .expressions import as_tensor, evaluate, size, static, yields_nothing
from .frame import Frame
from .session import MAX_TURNS, too_large
from .values import POISON, Poisoned, Several, Unknown, Value, describe, is_layer, is_list

NAME_ONLY = frozenset(("E0101", "E0102", "E0103", "E0104", "E0105", "E0107"))
"""What is reported in a branch that is not taken: names that do not exist. Sizes there may rightly be impossible."""

Returned = list[tuple[Node, Span]]


class Done(Exception):
    """Internal: a `return` was reached. `values` is None where a mistake spoiled one of them."""

    def __init__(self, values: Returned | None) -> None:
        self.values = values
        super().__init__()


Runner = Callable[[Frame, Any], None]
RUNNERS: dict[type[tree.Tree], Runner] = {}


def runs(kind: type[tree.Tree]) -> Callable[[Runner], Runner]:
    def note(function: Runner) -> Runner:
        RUNNERS[kind] = function
        return function

    return note


def run_body(frame: Frame, block: tree.Block) -> Returned | None:
    """The returned values; None where a mistake (already reported) spoiled one."""
    before = len(frame.session.diagnostics)
    try:
        run(frame, block.body)
    except Done as done:
        return done.values
    if len(frame.session.diagnostics) == before or all(d.severity == "warning" for d in frame.session.diagnostics[before:]):
        frame.session.report(
            Diagnostic(
                "E0515",
                f"block `{block.name}` returns nothing",
                block.head,
                "its results are declared here",
                help="end it with `return ...`",
            )
        )
    return None


def run(frame: Frame, body: Sequence[tree.Statement]) -> None:
    for statement in body:
        run_one(frame, statement)


def run_one(frame: Frame, statement: tree.Statement) -> None:
    """One statement; its mistakes are reported here and go no further."""
    span = statement.span
    context = frame.owner.inside((span.source.name, span.start, frame.turn), _binding(frame, statement))
    inner = frame.within(context=context, binding=_shown_binding(statement))
    try:
        RUNNERS[type(statement)](inner, statement)
    except Fault as fault:
        frame.session.report(fault.diagnostic)
        _spoil(frame, statement)
    except SizeTooLarge as error:
        frame.session.report(too_large(error, span))
        _spoil(frame, statement)
    except Poisoned:
        _spoil(frame, statement)


def _targets(statement: tree.Statement) -> tuple[tree.Target, ...]:
    match statement:
        case tree.Assign():
            return statement.targets
        case tree.StaticDecl() | tree.Storage() | tree.Next():
            return (statement.target,)
        case _:
            return ()


def _spoil(frame: Frame, statement: tree.Statement) -> None:
    if isinstance(statement, tree.AxisDecl):
        for item in statement.items:
            frame.scope.entry(item.name).spoiled = True
    for name in _axes_made(statement):
        if not frame.scope.sizes(name):
            frame.scope.entry(name).spoiled = True
    for target in _targets(statement):
        try:
            name = target_name(frame, target)
        except (Fault, Poisoned):
            name = target.name
        frame.scope.values.setdefault(name, POISON) if isinstance(statement, tree.Next) else frame.scope.values.__setitem__(name, POISON)
    for name in _bound_inside(statement):
        frame.scope.values.setdefault(name, POISON)
    if isinstance(statement, tree.Return | tree.Yield):
        raise Done(None)


def _axes_made(item: object) -> set[str]:
    """The axes on the right of arrows: where their statement fails they have no size, and that is told already."""
    if isinstance(item, tree.Arrow):
        return {axis.name for term in item.right for axis in term.items if not axis.is_number and axis.name != STAR}
    parts = [getattr(item, field) for field in item.fields] if isinstance(item, tree.Tree) else item if is_list(item) else ()
    return {name for part in parts for name in _axes_made(part)}


def _bound_inside(statement: tree.Statement) -> list[str]:
    """What an `if` or `for` would have bound, had it run."""
    match statement:
        case tree.If():
            body = (*statement.then, *statement.other)
        case tree.For():
            body = statement.body
        case _:
            return []
    return [name for inner in body for name in (*(target.name for target in _targets(inner)), *_bound_inside(inner))]


def _binding(frame: Frame, statement: tree.Statement) -> tuple[str, ...]:
    """What owners in this statement are named after; nothing for `return` and for several targets."""
    targets = _targets(statement)
    if len(targets) != 1:
        return ()
    target = targets[0]
    path: tuple[str, ...] = (target.name.rstrip("'"),)
    if target.index is not None:
        try:
            number = statics.whole(static(frame, target.index))
        except (Fault, Poisoned):
            return path
        path = (*path, str(0 if number is None else number))
    return path


def _shown_binding(statement: tree.Statement) -> str:
    targets = _targets(statement)
    return targets[0].name if len(targets) == 1 else ""


def target_name(frame: Frame, target: tree.Target) -> str:
    """`x`, or `skip[2]` with the index worked out."""
    if target.index is None:
        return target.name
    number = statics.whole(static(frame, target.index))
    if number is None:
        raise fault("E0300", "an index of a name is a whole number", target.index.span)
    return f"{target.name}[{number}]"


def bind(frame: Frame, target: tree.Target, value: Value) -> None:
    if isinstance(value, Several) and len(value.items) == 1:
        value = value.items[0]
    if isinstance(value, Several):
        raise Fault(
            Diagnostic("E0306", f"{len(value.items)} results for one name", target.span, "one name here", help="name them all: a, b = ...")
        )
    name = target_name(frame, target)
    frame.scope.bind(name, value, target.span)
    frame.session.mention(frame.owner, name, value)


# ---------------------------------------------------------------- binding and returning


@runs(tree.Assign)
def _assign(frame: Frame, statement: tree.Assign) -> None:
    if isinstance(statement.value, tree.TupleOf):
        _assign_each(frame, statement, statement.value)
        return
    value = evaluate(frame, statement.value)
    if isinstance(value, Several) and not value.items:
        value = Several(value.extra)
    if len(statement.targets) == 1:
        bind(frame, statement.targets[0], value)
        return
    for target, item in zip(statement.targets, take(value, len(statement.targets), statement.value.span), strict=True):
        bind(frame, target, item)


def _assign_each(frame: Frame, statement: tree.Assign, values: tree.TupleOf) -> None:
    """`a, b = b, a`: all values first, then all names; weights are called after the name beside them."""
    names, given = len(statement.targets), len(values.items)
    if names != given:
        raise fault("E0306", f"{names} name{'s' * (names != 1)} for {given} values", values.span, f"this has {given}")
    found: list[Value] = []
    for target, item in zip(statement.targets, values.items, strict=True):
        if isinstance(item, tree.AxisList):
            raise fault("E0300", "a value is needed here, these are axes", item.span)
        one = tree.Assign(target.span, (target,), item)
        context = frame.owner.inside((item.span.source.name, item.span.start, frame.turn), _binding(frame, one))
        found.append(evaluate(frame.within(context=context, binding=target.name), item))
    for target, value in zip(statement.targets, found, strict=True):
        bind(frame, target, value)


def take(value: Value, count: int, span: Span) -> tuple[Value, ...]:
    """Exactly `count` results; a scan gives its final carries too when they are asked for."""
    items: tuple[Value, ...] = value.items if isinstance(value, Several) else value if is_list(value) else (value,)
    if isinstance(value, Several) and value.extra and count == len(value.items) + len(value.extra):
        items = (*value.items, *value.extra)
    if len(items) != count:
        more = f" ({len(items) + len(value.extra)} with the final carries)" if isinstance(value, Several) and value.extra else ""
        raise Fault(
            Diagnostic("E0306", f"{count} names for {len(items)} result{'s' * (len(items) != 1)}{more}", span, f"this has {len(items)}")
        )
    return items


def results(frame: Frame, exprs: Sequence[tree.Expr]) -> Returned:
    """The tensors of a `return` or `yield`."""
    found: Returned = []
    for expr in exprs:
        value = evaluate(frame, expr)
        if isinstance(value, Several) and not value.items:
            raise yields_nothing(expr.span)
        nodes: tuple[Value, ...] = value.items if isinstance(value, Several) else (value,)
        for node in nodes:
            if is_layer(node):
                raise fault("E0300", "a block returns tensors, this is a layer", expr.span, node.describe())
            if not isinstance(node, Node) and not isinstance(node, Size | float | bool | Unknown) and not hasattr(node, "numerator"):
                raise fault("E0300", f"a block returns tensors, this is {describe(node)}", expr.span)
            found.append((as_tensor(frame, node, expr.span), expr.span))
    return found


@runs(tree.Return)
def _return(frame: Frame, statement: tree.Return) -> None:
    if frame.scope.values.get("<scan>"):
        raise fault("E0510", "`return` inside a scan", statement.span, help="a scan gives its results with `yield`")
    raise Done(results(frame, statement.values))


@runs(tree.Yield)
def _yield(frame: Frame, statement: tree.Yield) -> None:
    if not frame.scope.values.get("<scan>"):
        raise fault("E0510", "`yield` outside of a scan", statement.span, help="a block gives its results with `return`")
    raise Done(results(frame, statement.values))


# ---------------------------------------------------------------- declarations


@runs(tree.AxisDecl)
def _axis(frame: Frame, statement: tree.AxisDecl) -> None:
    for item in statement.items:
        if item.size is None:
            raise Fault(
                Diagnostic("E0206", f"axis `{item.name}` is declared without a size", item.span, help=f"write axis {item.name} = 64")
            )
        found = size(frame, item.size, f"axis `{item.name}`")
        frame.require_whole(found, item.span, f"axis `{item.name}`")
        entry = frame.scope.entry(item.name)
        entry.declared = True
        entry.add(found, item.span, "declared here")


@runs(tree.StaticDecl)
def _static(frame: Frame, statement: tree.StaticDecl) -> None:
    bind(frame, statement.target, static(frame, statement.value))


# ---------------------------------------------------------------- if and for


@runs(tree.If)
def _if(frame: Frame, statement: tree.If) -> None:
    chosen = condition(frame, statement.condition)
    taken, other = (statement.other, statement.then) if chosen is False else (statement.then, statement.other)
    if frame.session.checking:
        _look(frame, other)
    run(_plain(frame), taken)


def _plain(frame: Frame) -> Frame:
    return frame.within(binding="")


def _look(frame: Frame, body: Sequence[tree.Statement]) -> None:
    """Look through a branch that is not taken, for names that do not exist."""
    session = frame.session
    kept = session.quiet, len(session.slots), dict(session.updates), session.made
    session.quiet = NAME_ONLY
    from . import naming

    owner = naming.root()
    side = frame.within(scope=frame.scope.copy(), owner=owner, context=owner.inside(("branch",), ()))
    try:
        run(side, body)
    except Done:
        return
    finally:
        session.quiet, slots, session.updates, session.made = kept[0], kept[1], kept[2], kept[3]
        del session.slots[slots:]


@runs(tree.For)
def _for(frame: Frame, statement: tree.For) -> None:
    hidden = frame.scope.values.get(statement.variable)
    turns = _turns(frame, statement)
    frame.session.count_turns(len(turns), statement.span)
    for turn, value in enumerate(turns):
        frame.scope.values[statement.variable] = value
        run(_plain(frame).within(turn=(*frame.turn, turn)), statement.body)
    if hidden is not None:
        frame.scope.values[statement.variable] = hidden
    else:
        frame.scope.values.pop(statement.variable, None)


def _turns(frame: Frame, statement: tree.For) -> Sequence[Value]:
    if not isinstance(statement.values, tree.Range):
        values = static(frame, statement.values)
        if isinstance(values, Unknown):
            return (Unknown("float", values.name),)
        if not is_list(values):
            raise Fault(
                Diagnostic("E0300", f"`for` needs a range or a list, this is {describe(values)}", statement.values.span, help="write 0..n")
            )
        return values
    first = _end(frame, statement.values.start, 0)
    last = _end(frame, statement.values.stop, None)
    if first is None or last is None:
        if not frame.session.checking:
            raise fault(
                "E0507",
                "the number of turns depends on a size that is only known when the module runs",
                statement.values.span,
                help="bind it, or use `scan` to step along an axis",
            )
        start = first if first is not None else 0
        return (Size.of(start), Size.of(start + 1))
    return [Size.of(index) for index in range(first, min(last, first + MAX_TURNS + 1))]


def _end(frame: Frame, expr: tree.Expr | None, default: int | None) -> int | None:
    if expr is None:
        return default
    return size(frame, expr).integer()


def expanded(frame: Frame, node: Node, axes: Sequence[Axis], span: Span) -> Node:
    """`node` with exactly these axes: expanded where it lacks some, a Fault where it has others or other sizes."""
    from ..ops.shape import expand_axes

    names = [axis.name for axis in axes]
    for axis in node.tensor.axes:
        if axis.name not in names:
            raise fault("E0504", f"this has an axis `{frame.local(axis.name)}` that is not declared", span, "here")
    for axis in axes:
        if node.tensor.has(axis.name):
            frame.require_equal(axis.size, node.tensor.size(axis.name), f"axis `{frame.local(axis.name)}` has two sizes", span)
    missing = [axis for axis in axes if not node.tensor.has(axis.name)]
    return expand_axes(frame, node, missing, span) if missing else node
