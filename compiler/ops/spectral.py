"""Fourier transforms along named axes, and the parts of complex numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..sizes import Size, ceil_log2
from ..types import Axis, DType, TensorType
from . import along
from .base import AxisRef, Call, Operator, Option, Signature, no_cost, per_element, register
from .broadcast import broadcast, floating_type, layout, no_complex

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

_NORMS = ("backward", "forward", "ortho")

# ------------------------------------------------------------------ building


def _transform(call: Call) -> Node:
    """The axes keep their names, or take those after the arrow, place by place. Only rfft and irfft change a size: the last one."""
    if call.axes and call.arrows:
        raise call.fault(
            "E0209", f"`{call.name}` takes a list of axes or an arrow", call.arrows[0].span, "not both", "leave one of them out"
        )
    if call.name == "rfft":
        no_complex(call, call.tensors)
    pairs = along.paired(call) if call.arrows else tuple((ref, ref) for ref in call.axes)
    old = along.listed(call, [left for left, _ in pairs])
    along.not_empty(call, old)
    new = [(pair[1], _made(call, pair, axis, last=axis is old[-1])) for pair, axis in zip(pairs, old, strict=True)]
    dtype: DType = "float" if call.name == "irfft" else "complex"
    type = along.replaced(call, call.x.tensor, [axis.name for axis in old], new).cast(dtype)
    names = tuple((before.name, after.name) for before, (_, after) in zip(old, new, strict=True))
    return call.node(call.name, (call.x,), type, pairs=names, norm=call["norm"])


def _made(call: Call, pair: tuple[AxisRef, AxisRef], axis: Axis, last: bool) -> Axis:
    """The axis after the transform."""
    left, right = pair
    if last and call.name == "irfft":
        new = call.new_axis(right)
        half = f"`irfft` to `{right.name}={new.size}` needs {new.size}//2 + 1 of `{left.name}`"
        call.make.require_equal(axis.size, new.size // 2 + 1, half, right.span)
        return new
    size = axis.size // 2 + 1 if last and call.name == "rfft" else axis.size
    if left is right and size == axis.size:
        return axis
    if right.given and right.size is not None:
        call.make.require_equal(size, right.size, f"`{call.name}` gives `{right.name}` another size", right.span)
    return call.make.declare(right, size)


def _part(call: Call) -> Node:
    """real, imag, angle, conj: of a real number too, where that makes sense."""
    x = call.x
    if x.dtype == "complex":
        return call.node(call.name, (x,), x.tensor.cast("complex" if call.name == "conj" else "float"))
    if call.name in ("real", "conj"):
        return x
    if call.name == "imag":
        raise call.fault("E0310", "`imag` needs complex numbers", call.spans[0] if call.spans else None, "these are real, so it would be 0")
    return call.node(call.name, (x,), x.tensor.cast(floating_type(x.dtype)))


def _complex(call: Call) -> Node:
    no_complex(call, call.tensors)
    return call.node("complex", call.tensors, TensorType(broadcast(call, call.tensors), "complex"))


# ------------------------------------------------------------------ lowering


def _lower_transform(e: Emitter, node: Node) -> Value:
    """One axis or several; half precision is transformed in float32, which PyTorch's transforms need."""
    x, pairs = node.inputs[0], node["pairs"]
    value = e.value(x) if x.dtype == "complex" else e.wide(x)
    dims = [value.axes.index(old) - len(value.axes) for old, _ in pairs]
    options: dict[str, Any] = {} if node["norm"] == "backward" else {"norm": node["norm"]}
    if node.op == "irfft":
        sizes = [e.size(node.tensor.size(new)) for _, new in pairs]
        options |= {"s": sizes} if len(sizes) > 1 else {"n": sizes[0]}
    if len(dims) == 1:
        fx = e.call(f"torch.fft.{node.op}", value.fx, dim=dims[0], **options)
    else:
        fx = e.call(f"torch.fft.{node.op}n", value.fx, dim=dims, **options)
    if node.op == "irfft":
        fx = e.call("runtime.halved", fx, e.float_dtype())
    renamed = dict(pairs)
    return replace(value, fx=fx, axes=tuple(renamed.get(name, name) for name in value.axes))


def _lower_part(e: Emitter, node: Node) -> Value:
    x = node.inputs[0]
    value = e.value(x) if x.dtype in ("float", "complex") else e.wide(x)
    fx = e.call(f"torch.{node.op}", value.fx)
    # The parts of complex numbers are float32 where the module works in half precision.
    return replace(value, fx=e.call("runtime.halved", fx, e.float_dtype()) if x.dtype == "complex" and node.dtype == "float" else fx)


def _lower_complex(e: Emitter, node: Node) -> Value:
    values = [e.wide(source) for source in node.inputs]
    order = layout(values)
    return replace(values[0], fx=e.call("torch.complex", *e.align(values, order)), axes=order)


# ------------------------------------------------------------------ the table


def _cost(node: Node) -> Size:
    """5 n log2 n for n complex numbers."""
    type = node.inputs[0].tensor
    count = Size.of(1)
    for old, _ in node["pairs"]:
        count = count * type.size(old)
    steps = Size.of(1) if count == 1 else ceil_log2(count)
    return type.elements() * steps * 5


_NORM = Option("norm", "word", "backward", "which direction divides by the size: forward, backward, or both by its root (ortho)", _NORMS)


def _fourier(name: str, axes: str, doc: str, *examples: str) -> Operator:
    return Operator(name, "spectral", doc, _transform, Signature(axes=axes, options=(_NORM,)), _lower_transform, _cost, examples=examples)


def _pointwise(name: str, doc: str, example: str, moves: bool = False) -> Operator:
    text = f"block t(x: [*, N]) -> [*, N] {{\n    z = fft(x, N)\n    return {example}\n}}"
    return Operator(name, "spectral", doc, _part, Signature(tensors=("z",)), _lower_part, no_cost if moves else per_element, pointwise=True,
                    examples=(text,))  # fmt: skip


def _examples(lines: Sequence[str]) -> str:
    return "block t(x: [*, H, W]) -> [*, H, W] {\n" + "".join(f"    {line}\n" for line in lines) + "}"


register(
    _fourier(
        "fft",
        "list|arrow",
        "The discrete Fourier transform along one axis or several, complex, at the same sizes: `fft(x, N)` or `fft(x, N -> F)`.",
        _examples(["z = fft(x, H W)", "return real(z) + imag(z)"]),
    ),
    _fourier(
        "ifft",
        "list|arrow",
        "The inverse of `fft`: complex numbers.",
        _examples(["z = fft(x, H -> F)", "return real(ifft(z * exp(-0.5 * pos(F)), F -> H))"]),
    ),
    _fourier(
        "rfft",
        "list|arrow",
        """The half of a Fourier transform that says all of a real input: `rfft(x, N -> F)`.

`x` [.., N] gives complex [.., F] with N//2 + 1 entries; of several axes, `rfft(x, H W -> H F)`, the last is halved. Undone by `irfft`.""",
        _examples(["z = rfft(x, H W -> U V)", "return irfft(z * exp(-0.5 * pos(V)), U V -> H W)"]),
    ),
    _fourier(
        "irfft",
        "arrow",
        """The inverse of `rfft`, real: `irfft(z, F -> N)`.

`z` [.., F] gives [.., N], where the size of `N` is known or given (`F -> N=8`) and F is N//2 + 1; of several axes the last is the
halved one.""",
        _examples(["z = rfft(x, W -> F, norm=ortho)", "return irfft(z * (1 + pos(F)), F -> W, norm=ortho)"]),
    ),
    _pointwise("real", "The real part of complex numbers.", "real(z)", moves=True),
    _pointwise("imag", "The imaginary part of complex numbers.", "imag(z)", moves=True),
    _pointwise("conj", "Complex numbers with the imaginary part turned round.", "imag(conj(z)) + real(z)"),
    _pointwise("angle", "The angle of complex numbers, from -pi to pi.", "angle(z + 20)"),
    Operator(
        "complex",
        "spectral",
        "Complex numbers from their real and imaginary parts.",
        _complex,
        Signature(tensors=("re", "im")),
        _lower_complex,
        pointwise=True,
        examples=("block t(x: [*, N], y: [*, N]) -> [*, N] {\n    z = complex(x, y)\n    return real(z * z)\n}",),
    ),
)
