"""What a block returns, against what it declares."""

from __future__ import annotations

from ...dsl import tree
from ...dsl.diagnostics import Fault, Label, fault
from ...dsl.source import Span
from ..graph import Node
from ..ops.shape import expand_axes
from ..sizes import equal
from ..types import STAR, Axis
from .blocks import axis_name, names_in, static_names
from .expressions import size
from .frame import Frame
from .scope import Known, hidden_sizes


def declare_results(frame: Frame, block: tree.Block) -> None:
    """`-> [*, J=count]` gives axis `J` its size in the body, unless the body does; for sizes that follow from the signature alone."""
    for result in block.results:
        for spec in result.type.axes:
            if spec.name is None or spec.name == STAR or spec.size is None or frame.scope.sizes(spec.name):
                continue
            if all(name in frame.scope.values or frame.scope.sizes(name) for name in names_in(spec.size)):
                found = size(frame, spec.size, f"axis `{spec.name}`")
                frame.require_whole(found, spec.span, f"axis `{spec.name}`")
                frame.scope.entry(spec.name).promised = Known(found, spec.span, "declared for the result")


def check_results(frame: Frame, block: tree.Block, values: list[tuple[Node, Span]]) -> list[Node]:
    """Each value with exactly the declared axes (those of `*` filled in). Raises Fault E0504 where one does not match."""
    if len(values) != len(block.results):
        span = values[0][1] if values else block.head
        raise fault(
            "E0306",
            f"block `{block.name}` declares {_count(len(block.results))}, and returns {len(values)}",
            span,
            "returned here",
            (Label(block.head, "declared here"),),
        )
    return [check_result(frame, block, result, node, span) for result, (node, span) in zip(block.results, values, strict=True)]


def _count(results: int) -> str:
    return f"{results} result{'s' * (results != 1)}"


def check_result(frame: Frame, block: tree.Block, result: tree.Result, node: Node, span: Span) -> Node:
    from .signatures import declared_size

    known = static_names(block)
    wanted: list[str] = []
    for spec in result.type.axes:
        if spec.name == STAR:
            continue
        name = axis_name(spec, known)
        if name is None:
            raise fault("E0506", "this axis has no name", spec.span, "several could be meant", help="write it as name = size")
        symbol = frame.scope.entry(name).symbol
        if symbol in wanted:
            raise fault("E0204", f"axis `{name}` is declared twice", spec.span)
        wanted.append(symbol)
        if not node.tensor.has(symbol):
            raise _mismatch(frame, result, node, span, f"it has no axis `{name}`")
        expected = declared_size(frame, spec, name) if spec.size is not None or _in_signature(frame, name) else None
        if expected is not None:
            found = node.tensor.size(symbol)
            if equal(expected, found) is False:
                raise _size_mismatch(frame, result, spec, node, span, f"axis `{name}`: expected {expected}, found {found}")
            if equal(expected, found) is None:
                frame.session.guard("equal", expected, found, f"axis `{name}` of the result", span)
    return _with_star(frame, result, node, span, wanted)


def _in_signature(frame: Frame, name: str) -> bool:
    entry = frame.scope.axes.get(name)
    return entry is not None and entry.declared


def _with_star(frame: Frame, result: tree.Result, node: Node, span: Span, wanted: list[str]) -> Node:
    star = any(spec.name == STAR for spec in result.type.axes)
    extra = [name for name in node.tensor.names if name not in wanted]
    strange = [name for name in extra if not star or name not in frame.scope.hidden]
    if strange:
        raise _mismatch(frame, result, node, span, f"its axis `{frame.local(strange[0])}` is not declared")
    if not star:
        return node
    sizes = hidden_sizes(frame.scope)
    missing = [Axis(name, sizes[name]) for name in frame.scope.hidden if name not in extra and name in sizes]
    return expand_axes(frame, node, missing, span) if missing else node


def _shown(frame: Frame, node: Node) -> str:
    """The axes as the block calls them; `*` first, because the order of the others says nothing."""
    axes = sorted(node.tensor.axes, key=lambda axis: axis.name != "*")
    parts = [(frame.local(axis.name), str(axis.size)) for axis in axes]
    return "[" + ", ".join(name if name == size else f"{name}={size}" for name, size in parts) + "]"


def _mismatch(frame: Frame, result: tree.Result, node: Node, span: Span, why: str) -> Fault:
    return fault(
        "E0504",
        f"the result does not match its declaration: {why}",
        span,
        f"found {_shown(frame, node)}",
        (Label(result.type.span, f"expected {result.type.span.text}"),),
        frame.bindings(),
        "change the declared result, or reduce, rename or expand the axis before returning",
    )


def _size_mismatch(frame: Frame, result: tree.Result, spec: tree.AxisSpec, node: Node, span: Span, why: str) -> Fault:
    return fault(
        "E0504",
        f"the result does not match its declaration: {why}",
        span,
        f"found {_shown(frame, node)}",
        (Label(spec.span, "expected this"),),
        frame.bindings(),
    )
