"""Reading one option of an operator by its kind."""

from __future__ import annotations

from typing import Any

from ...dsl import tree
from ...dsl.closest import closest
from ...dsl.diagnostics import Diagnostic, Fault, fault
from ..graph import Init
from ..ops.base import Option
from ..sizes import Size
from . import statics
from .expressions import as_tensor, evaluate, size, static, word
from .frame import Frame
from .values import Unknown, Value, Word, describe, is_layer, is_list, is_number

Written = tree.Expr | tree.AxisList | tree.Arrow


def read_option(frame: Frame, option: Option, value: Written, operator: str) -> Any:
    """The value of an option as its kind wants it. Raises Fault (E0105 unknown word, E0303 wrong kind)."""
    from .arguments import named_once, read_axes

    if option.kind == "axes":
        refs = () if isinstance(value, tree.Nothing) else read_axes(frame, value, f"`{option.name}=`")
        named_once(refs)
        return refs
    if option.kind == "axes_list":
        items = value.items if isinstance(value, tree.TupleOf) else (value,)
        return tuple(read_axes(frame, item, f"`{option.name}=`") for item in items)
    if isinstance(value, tree.AxisList | tree.Arrow):
        raise fault("E0303", f"`{option.name}=` is not an axis option", value.span, "these are axes")
    if isinstance(value, tree.Nothing) or (isinstance(value, tree.Name) and frame.scope.values.get(value.text, 0) is None):
        if option.default is not None and not option.optional:
            raise fault("E0303", f"`{option.name}=` cannot be `none`", value.span, help=option.doc)
        return None
    return _READERS[option.kind](frame, option, value, operator)


def _wrong(option: Option, value: tree.Expr, found: Value, wanted: str) -> Fault:
    return fault("E0303", f"`{option.name}=` needs {wanted}, this is {describe(found)}", value.span, help=option.doc)


MOST = 1 << 31
"""What whole options stay below, as numbers in the text do."""


def _int(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Size:
    return _small(option, value, size(frame, value, f"`{option.name}`"))


def _small(option: Option, value: tree.Expr, found: Size) -> Size:
    constant = found.constant()
    if constant is not None and abs(constant) >= MOST:
        raise fault("E0214", f"`{option.name}` is too large", value.span, "a number below 2**31 is needed")
    return found


def _ints(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Any:
    found = static(frame, value)
    return _nested(frame, option, value, found)


def _nested(frame: Frame, option: Option, value: tree.Expr, found: Value) -> Any:
    if is_list(found):
        return tuple(_nested(frame, option, value, item) for item in found)
    if isinstance(found, Unknown):
        return Size.symbol(found.name)
    result = None if isinstance(found, bool) else statics.as_size(found)
    if result is None:
        raise _wrong(option, value, found, "a whole number or a list of them")
    constant = result.constant()
    if constant is not None and constant.denominator != 1:
        raise _wrong(option, value, found, "whole numbers")
    return _small(option, value, result)


def _float(frame: Frame, option: Option, value: tree.Expr, operator: str) -> float:
    found = static(frame, value)
    if isinstance(found, Unknown):
        return 1.0
    if not is_number(found):
        raise _wrong(option, value, found, "a number")
    try:
        return statics.as_float(found)
    except statics.NotStatic:
        if frame.session.checking:
            return 1.0
        raise Fault(
            Diagnostic("E0501", f"`{option.name}=` depends on an unbound size", value.span, help="bind the axis when compiling")
        ) from None


def _bool(frame: Frame, option: Option, value: tree.Expr, operator: str) -> bool:
    found = static(frame, value)
    if isinstance(found, Unknown) and found.kind == "bool":
        return True
    if not isinstance(found, bool):
        raise _wrong(option, value, found, "true or false")
    return found


def _word(frame: Frame, option: Option, value: tree.Expr, operator: str) -> str:
    found = word(frame, value) or static(frame, value)
    if isinstance(found, Unknown):
        return option.words[0]
    if not isinstance(found, Word):
        raise _wrong(option, value, found, f"one of {', '.join(option.words)}")
    return _one_of(option, value, found)


def _one_of(option: Option, value: tree.Expr, found: Word) -> str:
    if found.text in option.words:
        return found.text
    near = closest(found.text, option.words)
    help = f"did you mean `{near}`?" if near else f"one of: {', '.join(option.words)}"
    raise fault("E0105", f"`{found.text}` is none of the values of `{option.name}=`", value.span, "not known", help=help)


def _padding(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Any:
    chosen = word(frame, value)
    if chosen is not None and not frame.scope.knows_axis(chosen.text):
        return _one_of(option, value, chosen)
    found = static(frame, value)
    return _one_of(option, value, found) if isinstance(found, Word) else _nested(frame, option, value, found)


def _tensor(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Any:
    return as_tensor(frame, evaluate(frame, value), value.span)


def _bool_or_tensor(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Any:
    found = evaluate(frame, value)
    if isinstance(found, Unknown) and found.kind == "bool":
        return True
    return found if isinstance(found, bool) else as_tensor(frame, found, value.span)


def _number(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Any:
    found = evaluate(frame, value)
    return statics.as_float(found) if is_number(found) else found


def _layer(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Any:
    found = evaluate(frame, value)
    if not is_layer(found):
        raise _wrong(option, value, found, "a layer")
    return found


def _by(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Any:
    if isinstance(value, tree.Name) and value.text in option.words and value.text not in frame.scope.values:
        return value.text
    found = evaluate(frame, value)
    if isinstance(found, Word):
        return _one_of(option, value, found)
    if not is_layer(found):
        raise _wrong(option, value, found, f"one of {', '.join(option.words)}, or a layer from scores to weights")
    return found


def _init(frame: Frame, option: Option, value: tree.Expr, operator: str) -> Init:
    from .storage import read_init

    return read_init(frame, value)


_READERS: dict[str, Any] = {
    "int": _int,
    "ints": _ints,
    "float": _float,
    "bool": _bool,
    "word": _word,
    "padding": _padding,
    "tensor": _tensor,
    "bool|tensor": _bool_or_tensor,
    "number": _number,
    "layer": _layer,
    "by": _by,
    "init": _init,
}
