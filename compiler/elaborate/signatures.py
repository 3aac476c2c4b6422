"""What a signature says inside its block: parameters become values, declared sizes are compared with those that came."""

from __future__ import annotations

from ...dsl import tree
from ...dsl.diagnostics import Label, fault
from ...dsl.source import Span
from ..graph import Node
from ..sizes import Size
from ..types import STAR
from .blocks import BlockReading, axis_name, names_in, read_param, static_names, static_value
from .expressions import evaluate, size
from .frame import Frame
from .statics import FUNCTIONS
from .values import Value, Word


def fill_scope(frame: Frame, reading: BlockReading, tensors: dict[str, Node]) -> None:
    """Parameters become values; defaults are worked out in order; declared sizes are compared with those that came."""
    block = reading.block
    for param in block.params:
        if isinstance(param.spec, tree.EnumSpec):
            frame.scope.words.update(param.spec.values)
    for param in block.params:
        if not isinstance(param.spec, tree.AxisKind):
            frame.scope.values[param.name] = _value_of(frame, reading, param, tensors)
    for entry in frame.scope.axes.values():
        entry.declared = True
    for param in block.params:
        node = tensors.get(param.name)
        if node is not None and isinstance(param.spec, tree.TensorSpec):
            check_declared(frame, block, param, param.spec, node, reading.spans.get(param.name, reading.span))


def _value_of(frame: Frame, reading: BlockReading, param: tree.Param, tensors: dict[str, Node]) -> Value:
    if param.name in tensors:
        return tensors[param.name]
    if param.name in reading.given:
        value = reading.given[param.name]
        return value.inside(frame) if hasattr(value, "inside") else value
    if param.default is not None:
        return default_value(frame, param)
    return missing_value(frame, reading, param)


def default_value(frame: Frame, param: tree.Param) -> Value:
    assert param.default is not None
    if isinstance(param.spec, tree.EnumSpec) and isinstance(param.default, tree.Name):
        if param.default.text not in param.spec.values:
            raise fault("E0105", f"`{param.default.text}` is none of the values of `{param.name}`", param.default.span)
        return Word(param.default.text)
    if isinstance(param.spec, tree.StaticSpec):
        value = evaluate(frame, param.default)
        return None if value is None else static_value(param.name, param.spec, value, param.default.span)
    return read_param(frame, param, param.default)


def missing_value(frame: Frame, reading: BlockReading, param: tree.Param) -> Value:
    """A parameter without default that the call does not give."""
    name, block = param.name, reading.block
    raise fault(
        "E0302",
        f"block `{block.name}` needs `{name}`",
        reading.span,
        "not given here",
        (Label(param.span, "declared here, without a default"),),
        help=f"add {name}=...",
    )


def check_declared(frame: Frame, block: tree.Block, param: tree.Param, spec: tree.TensorSpec, node: Node, span: Span) -> None:
    """The sizes and the kind of number of an argument against its declaration."""
    known = static_names(block)
    for axis in spec.axes:
        name = axis_name(axis, known)
        if axis.name == STAR or name is None:
            continue
        entry = frame.scope.axes[name]
        found = node.tensor.size(entry.symbol)
        wanted = declared_size(frame, axis, name)
        if wanted is not None:
            frame.require_equal(
                wanted, found, f"axis `{name}` has two sizes", span, "E0202", (Label(axis.span, f"`{wanted}` declared here"),)
            )
    kinds = {"float": ("float", "wide", "complex"), "int": ("int", "bool"), "bool": ("bool",), "complex": ("complex",)}
    if spec.dtype in kinds and node.dtype not in kinds[spec.dtype]:
        raise fault(
            "E0310",
            f"`{param.name}` takes {spec.dtype} numbers, this tensor holds {node.dtype}",
            span,
            "here",
            (Label(spec.span, "declared here"),),
            help=f"convert it: {spec.dtype}(x)",
        )


def declared_size(frame: Frame, axis: tree.AxisSpec, name: str) -> Size | None:
    """What a declaration says an axis measures: its size expression, or the first size the name has."""
    if axis.size is None or (isinstance(axis.size, tree.Name) and axis.size.text == name):
        known = frame.scope.sizes(name)
        return known[0].size if known else None
    clean = frame.scope.copy()
    for entry in clean.axes.values():
        entry.sizes = entry.sizes[:1]
    if any(inner not in clean.values and not clean.sizes(inner) and inner not in FUNCTIONS for inner in names_in(axis.size)):
        return None
    return size(frame.within(scope=clean), axis.size, f"axis `{name}`")
