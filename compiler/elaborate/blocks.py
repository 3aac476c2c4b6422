"""Reading the arguments of a block call: tensors, statics, layers, words, and axes by another name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...dsl import tree
from ...dsl.closest import closest
from ...dsl.diagnostics import Fault, Label, fault
from ...dsl.loader import Unit
from ...dsl.source import Span
from ..graph import Node
from ..sizes import Size
from . import statics
from .arguments import axis_items
from .expressions import as_tensor, evaluate, named_layer, names_layer, size, static
from .frame import Frame
from .values import Unknown, Value, Word, describe, is_layer, is_list, is_number


@dataclass(frozen=True)
class AxisArgument:
    """`P=C`, `N=(H W)` (several items) or `K=16` (a size)."""

    items: tuple[tree.AxisItem, ...]
    size: Size | None
    span: Span


@dataclass(frozen=True)
class BlockReading:
    """The arguments of one call. `given` holds tensors (None: an optional one left out), layers and statics by parameter."""

    unit: Unit
    block: tree.Block
    span: Span
    given: dict[str, Value] = field(default_factory=dict[str, Value])
    spans: dict[str, Span] = field(default_factory=dict[str, Span])
    axes: dict[str, AxisArgument] = field(default_factory=dict[str, AxisArgument])

    def all_required(self) -> list[str]:
        return [param.name for param in self.block.params if isinstance(param.spec, tree.TensorSpec) and param.default is None]

    def missing(self) -> list[str]:
        return [name for name in self.all_required() if name not in self.given]

    required = missing

    def with_tensors(self, tensors: dict[str, Node], span: Span) -> BlockReading:
        return replace(self, given={**self.given, **tensors}, spans={**self.spans, **dict.fromkeys(tensors, span)})


def axis_name(spec: tree.AxisSpec, statics_known: set[str]) -> str | None:
    """The axis a declaration is about: its name, or the one axis in its size (`H/2`)."""
    if spec.name is not None:
        return spec.name
    names = names_in(spec.size) - statics_known if spec.size is not None else set[str]()
    return names.pop() if len(names) == 1 else None


def names_in(expr: object) -> set[str]:
    """Every plain name in an expression."""
    match expr:
        case tree.Name():
            return {expr.text}
        case tree.Binary():
            return names_in(expr.left) | names_in(expr.right)
        case tree.Unary():
            return names_in(expr.operand)
        case tree.Paren():
            return names_in(expr.value)
        case tree.Conditional():
            return names_in(expr.then) | names_in(expr.condition) | names_in(expr.other)
        case tree.Call():
            return {name for arg in expr.args for name in names_in(arg.value)}
        case tree.Index():
            return names_in(expr.base) | {name for item in expr.items for name in names_in(item.value)}
        case _:
            return set()


def static_names(block: tree.Block) -> set[str]:
    return {param.name for param in block.params if isinstance(param.spec, tree.StaticSpec | tree.EnumSpec)}


def signature_axes(block: tree.Block) -> list[str]:
    """Every axis name of a signature, inputs first."""
    known = static_names(block)
    specs = [spec for param in block.params for spec in tensor_specs(param.spec)]
    specs += [result.type for result in block.results]
    names = [axis_name(axis, known) for spec in specs for axis in spec.axes]
    names += [param.name for param in block.params if isinstance(param.spec, tree.AxisKind)]
    names += sorted({name for spec in specs for axis in spec.axes for name in names_in(axis.size) if name not in known})
    return list(dict.fromkeys(name for name in names if name is not None and name != "*"))


def tensor_specs(spec: tree.ParamSpec) -> list[tree.TensorSpec]:
    if isinstance(spec, tree.TensorSpec):
        return [spec]
    return [spec.input, spec.output] if isinstance(spec, tree.LayerSpec) else []


def read_block(
    frame: Frame, unit: Unit, block: tree.Block, args: tuple[tree.Arg, ...], piped: tuple[Node, Span] | None, span: Span
) -> BlockReading:
    """Every argument against the block's parameters. Raises Fault for the first that does not fit."""
    reading = BlockReading(unit, block, span)
    if piped is not None:
        first = next((param for param in block.params if isinstance(param.spec, tree.TensorSpec)), None)
        if first is None:
            raise fault("E0302", f"block `{block.name}` takes no tensor", span, "nothing can be piped into it")
        reading.given[first.name], reading.spans[first.name] = piped
    for arg in args:
        if arg.name is None:
            _positional(frame, reading, arg)
    for arg in args:
        if arg.name is not None:
            _keyword(frame, reading, arg.name, arg)
    return reading


def _positional(frame: Frame, reading: BlockReading, arg: tree.Arg) -> None:
    block = reading.block
    param = next((param for param in block.params if param.name not in reading.given and param.name not in reading.axes), None)
    if param is None:
        raise fault(
            "E0302",
            f"block `{block.name}` takes {len(block.params)} arguments",
            arg.span,
            "this one is too many",
            (Label(block.head, "it is declared here"),),
        )
    _give(frame, reading, param, arg)


def _keyword(frame: Frame, reading: BlockReading, name: str, arg: tree.Arg) -> None:
    block = reading.block
    param = next((param for param in block.params if param.name == name), None)
    if param is not None:
        if name in reading.given:
            raise fault("E0308", f"`{name}` is given twice", arg.span, "again here")
        _give(frame, reading, param, arg)
    elif name in signature_axes(block):
        reading.axes[name] = _axis_argument(frame, name, arg)
    else:
        raise _unknown_parameter(block, name, arg)


def only_tensors(arg: tree.Arg) -> Fault:
    return fault("E0302", "a layer that is already made takes only tensors", arg.span, "options belong where the layer is written")


def _axes_of_tensors(block: tree.Block) -> set[str | None]:
    """The axes that inputs and results have, without those that are given as parameters."""
    specs = [spec for param in block.params for spec in tensor_specs(param.spec)]
    specs += [result.type for result in block.results]
    return {axis.name for spec in specs for axis in spec.axes} - {param.name for param in block.params}


def axes_at_application(frame: Frame, reading: BlockReading, args: Sequence[tree.Arg]) -> BlockReading:
    """`f(x, L=H)`: axes of a block bound where its layer is applied. Raises Fault for anything else."""
    open_axes = _axes_of_tensors(reading.block)
    axes = dict(reading.axes)
    for arg in args:
        if arg.name is None or arg.name not in open_axes:
            raise only_tensors(arg)
        if arg.name in axes:
            raise fault(
                "E0308",
                f"axis `{arg.name}` is bound twice",
                arg.span,
                "again here",
                (Label(axes[arg.name].span, "where the layer is written"),),
            )
        axes[arg.name] = _axis_argument(frame, arg.name, arg)
    return replace(reading, axes=axes)


def _unknown_parameter(block: tree.Block, name: str, arg: tree.Arg) -> Fault:
    names = [param.name for param in block.params]
    near = closest(name, [*names, *signature_axes(block)])
    help = f"did you mean `{near}`?" if near else f"its parameters: {', '.join(names)}; its axes: {', '.join(signature_axes(block))}"
    span = Span(arg.span.source, arg.span.start, arg.span.start + len(name))
    return fault(
        "E0104",
        f"block `{block.name}` has no parameter or axis `{name}`",
        span,
        "not known",
        (Label(block.head, "it is declared here"),),
        help=help,
    )


def _axis_argument(frame: Frame, name: str, arg: tree.Arg) -> AxisArgument:
    if isinstance(arg.value, tree.Arrow):
        raise fault("E0209", f"axis `{name}` is bound to an axis or a group `(H W)`", arg.span, "this is an arrow")
    is_value = isinstance(arg.value, tree.Name) and arg.value.text in frame.scope.values and not frame.scope.knows_axis(arg.value.text)
    items = None if is_value or isinstance(arg.value, tree.Int) else axis_items(arg.value)
    if items is not None:
        return AxisArgument(items, None, arg.value.span)
    if isinstance(arg.value, tree.AxisList):
        raise fault("E0209", "several axes for one are a group", arg.span, help=f"write {name}=(H W)")
    return AxisArgument((), size(frame, arg.value, f"axis `{name}`"), arg.value.span)


def _give(frame: Frame, reading: BlockReading, param: tree.Param, arg: tree.Arg) -> None:
    reading.spans[param.name] = arg.value.span
    if isinstance(param.spec, tree.AxisKind):
        reading.axes[param.name] = _axis_argument(frame, param.name, arg)
        return
    if isinstance(arg.value, tree.AxisList | tree.Arrow):
        raise fault("E0300", f"`{param.name}` is no axis", arg.value.span, "these are axes")
    reading.given[param.name] = read_param(frame, param, arg.value)


def read_param(frame: Frame, param: tree.Param, value: tree.Expr) -> Value:
    """An argument as the kind of value its parameter wants."""
    spec = param.spec
    if isinstance(spec, tree.TensorSpec):
        found = evaluate(frame, value)
        if found is None:
            if param.default is None:
                raise fault("E0300", f"`{param.name}` is not optional", value.span, "this is `none`")
            return None
        return as_tensor(frame, found, value.span)
    if isinstance(spec, tree.LayerSpec):
        found = evaluate(frame, value)
        if isinstance(found, Word) and names_layer(frame, found.text):
            found = named_layer(frame, tree.Name(value.span, found.text))
        if found is not None and not is_layer(found):
            raise fault(
                "E0300",
                f"`{param.name}` needs a layer, this is {describe(found)}",
                value.span,
                help="an operator or block without its tensors is a layer",
            )
        return found
    if isinstance(spec, tree.EnumSpec):
        return enum_value(frame, param, spec, value)
    assert isinstance(spec, tree.StaticSpec)
    return static_value(param.name, spec, static(frame, value), value.span)


def enum_value(frame: Frame, param: tree.Param, spec: tree.EnumSpec, value: tree.Expr) -> Value:
    if isinstance(value, tree.Name) and value.text not in frame.scope.values:
        found: Value = Word(value.text)
    else:
        found = static(frame, value)
    if isinstance(found, Unknown):
        return found
    return check_word(param.name, spec, found, value.span)


def check_word(name: str, spec: tree.EnumSpec, found: Value, span: Span) -> Word:
    if isinstance(found, Word) and found.text in spec.values:
        return found
    text = found.text if isinstance(found, Word) else describe(found)
    near = closest(text, spec.values)
    help = f"did you mean `{near}`?" if near else f"one of: {', '.join(spec.values)}"
    raise fault(
        "E0105",
        f"`{text}` is none of the values of `{name}`",
        span,
        "not known",
        (Label(spec.span, "the values are declared here"),),
        help=help,
    )


def static_value(name: str, spec: tree.StaticSpec, found: Value, span: Span) -> Value:
    """A static of the declared kind. Raises Fault E0305 where it is another."""
    if spec.many:
        if isinstance(found, Unknown):
            return found
        if not is_list(found):
            raise fault("E0300", f"`{name}` needs a list, this is {describe(found)}", span, help="write [3, 4, 6, 3]")
        one = spec.replace(many=False)
        return tuple(static_value(name, one, item, span) for item in found)
    if isinstance(found, Unknown) or found is None:
        return found
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    if spec.kind not in kinds:
        near = closest(spec.kind, [*kinds, "axis"])
        raise fault(
            "E0107",
            f"there is no kind of parameter `{spec.kind}`",
            spec.span,
            "not known",
            help=f"did you mean `{near}`?" if near else "int, float, bool, axis, a type `[..]`, or words `a | b`",
        )
    if spec.kind == "bool":
        fits = isinstance(found, bool)
    elif spec.kind == "int":
        exact = None if isinstance(found, bool) else statics.as_size(found)
        constant = exact.constant() if exact is not None else None
        fits = exact is not None and (constant is None or constant.denominator == 1)
        found = exact if fits else found
    else:
        fits = is_number(found)
    if not fits:
        raise fault("E0300", f"`{name}` needs {kinds[spec.kind]}, this is {describe(found)}", span)
    return found
