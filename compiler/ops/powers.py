"""Whether whole numbers are powers of two: masks over distances ask it."""

from __future__ import annotations

import math

from ..graph import Node
from .base import Call, Operator, Signature, register


def build_is_pow2(call: Call) -> Node:
    n = call.x
    if n.dtype not in ("int", "bool"):
        raise call.fault("E0310", "`is_pow2` needs whole numbers", None, f"this holds {n.dtype}", "convert it: int(x)")
    logarithm = call.do("log", call.do("maximum", n, call.number(1)))
    exponent = call.do("round", call.do("div", logarithm, call.number(math.log(2.0))))
    power = call.do("int", call.do("pow", call.number(2.0), exponent))
    return call.do("and", call.do("gt", n, call.number(0)), call.do("eq", power, n))


_DOC = "Whether a whole number is a power of two: 1, 2, 4, 8 ...; zero and negative numbers are none."
_EXAMPLE = "block t(x: [*, N]) -> bool [*, N] {\n    return is_pow2(pos(N)) and x > 0\n}"

register(Operator("is_pow2", "pointwise", _DOC, build_is_pow2, Signature(("n",), layer=False), differentiable=False, examples=(_EXAMPLE,)))
