"""Arithmetic on numbers that are sizes of tensors, as floating point has it: what Python refuses is infinite or not a number.

A tensor may be empty, so that a size that stands below a line is zero. Each function uses builtins and its neighbours alone.
"""

from __future__ import annotations

from typing import Any

import torch


def quotient(a: Any, b: Any) -> Any:
    """`a / b`."""
    return a * float("inf") if b == 0 else a / b


def floor_quotient(a: Any, b: Any) -> Any:
    """`a // b`."""
    return quotient(a, b) if b == 0 else a // b


def remainder(a: Any, b: Any) -> Any:
    """What `a // b` leaves over."""
    return float("nan") if b == 0 else a % b


def power(a: Any, b: Any) -> Any:
    """`a ** b`; a root of a negative number is not a number."""
    if a == 0 and b < 0:
        return float("inf")
    return float("nan") if a < 0 and b % 1 != 0 else a**b


def square_root(a: Any) -> Any:
    """`a ** 0.5`, rounded as `sqrt` is."""
    return float("nan") if a < 0 else torch.sym_sqrt(a)


def rounded_down(a: Any) -> Any:
    """`floor(a)`: a whole number where there is one."""
    return cut_off(a // 1) if abs(a) < float("inf") else a


def rounded_up(a: Any) -> Any:
    """`ceil(a)`: a whole number where there is one."""
    return -rounded_down(-a)


def cut_off(a: Any) -> Any:
    """`int(a)`; of what is no number it is what PyTorch makes of it in a tensor."""
    untyped: Any = torch
    return untyped.sym_int(a) if abs(a) < float("inf") else -(2**63)
