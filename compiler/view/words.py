"""The words in a picture: axes on wires, numbers, paths of weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..graph import Attrs, Node, Weight
from ..sizes import Size
from ..types import STAR, TensorType, TupleType, is_tuple
from .metrics import shorten

MOST = 40
"""Characters in one line of a box."""
_LABEL = 40
_SIZE = 14


@lru_cache(maxsize=4096)
def axes_text(type: TensorType | TupleType) -> str:
    """`*, N, D=4*C`: what stands beside a wire. A type that is not float is named; a number without axes is `()`."""
    if isinstance(type, TupleType):
        return shorten(str(type), _LABEL)
    axes = sorted(type.axes, key=lambda axis: axis.name != STAR)
    text = ", ".join(name if str(size) == name else f"{name}={shorten(str(size), _SIZE)}" for name, size in axes) or "()"
    return shorten(text if type.dtype in ("float", "wide") else f"{type.dtype} {text}", _LABEL)


@lru_cache(maxsize=4096)
def type_text(type: TensorType | TupleType) -> str:
    """The whole type, for a tip."""
    return shorten(str(type), 400)


def number_text(value: Any) -> str:
    """A number as people write it: `0.044715`, `1e-05`, `D/h`, `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def plain_text(value: Any) -> str:
    """An option in a few words; empty where it has none."""
    if is_tuple(value):
        return " ".join(filter(None, (plain_text(item) for item in value)))
    return number_text(value) if isinstance(value, int | float | str | Size) else ""


def options_text(node: Node) -> str:
    """All plain options, for a tip."""
    return shorten(", ".join(f"{name}={text}" for name, text in option_texts(node).items() if name not in ("number", "slot")), 300)


def option_texts(node: Node) -> Mapping[str, str]:
    """The options that have words, and these words."""
    kinds = tuple(value.__class__ for _, value in node.attrs)  # 1, 1.0 and True are equal but not the same words
    return _option_texts(node.attrs, kinds, node.type)


@lru_cache(maxsize=4096)
def _option_texts(attrs: Attrs, kinds: tuple[type, ...], type: TensorType | TupleType) -> Mapping[str, str]:
    return {name: text for name, value in attrs if (text := plain_text(value))}


# ---------------------------------------------------------------- weights


def owner_path(weight: Weight) -> str:
    """The path of what owns the weight: without `.weight` or `.bias`."""
    head, _, leaf = weight.path.rpartition(".")
    return head if head and leaf in ("weight", "bias") else weight.path


def owners(weights: Sequence[Weight]) -> list[str]:
    """The paths of what owns these, each once: several weights of one owner are told by it alone."""
    heads = Counter(weight.path.rpartition(".")[0] for weight in weights)
    paths = [weight.path.rpartition(".")[0] if heads[weight.path.rpartition(".")[0]] > 1 else owner_path(weight) for weight in weights]
    return list(dict.fromkeys(path or weight.path for path, weight in zip(paths, weights, strict=True)))


def relative(path: str, around: str) -> str:
    """A path as seen from inside a block that is called `around`."""
    return path[len(around) + 1 :] if around and path.startswith(around + ".") else path


def weight_text(weight: Weight) -> str:
    """One line about a weight for a tip."""
    shape = _sizes_text(weight.shape)
    return f"{weight.path} [{shape}]" if weight.kind == "param" else f"{weight.path} [{shape}] ({weight.kind})"


@lru_cache(maxsize=4096)
def _sizes_text(sizes: tuple[Size, ...]) -> str:
    return ", ".join(map(str, sizes))
