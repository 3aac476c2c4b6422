"""What is worth knowing about an operation beside its name: at most two short lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..cost import readable
from ..graph import Node
from ..types import TupleType, is_tuple
from .metrics import shorten
from .words import MOST, option_texts, plain_text

_USUAL: Mapping[str, frozenset[str]] = {
    "stride": frozenset({"1"}),
    "dilation": frozenset({"1"}),
    "by": frozenset({"softmax"}),
    "dropout": frozenset({"0"}),
    "reverse": frozenset({"false"}),
    "descending": frozenset({"false"}),
    "groups": frozenset({"1"}),
}
"""Options that are shown where they say something else than these."""
_TOGETHER = 24


def detail(node: Node) -> list[str]:
    """The axes an operation works along, then the options that change what it is."""
    axes, settings = _AXES.get(node.op, _plain_axes)(node), " ".join(_settings(node))
    lines = [f"{axes} {settings}"] if len(axes) + len(settings) < _TOGETHER else [axes, settings]
    return [shorten(line.strip(), MOST) for line in lines if line.strip()]


def _settings(node: Node) -> Iterator[str]:
    if node.op == "attend" and node.options.get("dots"):
        yield f"dot={_names(node['dots'])}"
    if "taps" in node.options and len(node.inputs) > 1 and not isinstance(node.inputs[1].type, TupleType):
        kernel = node.inputs[1].tensor
        yield "kernel=" + "×".join(plain_text(kernel.size(name)) for name in node["taps"] if kernel.has(name))
    elif "kernel" in node.options and node.op != "attend":
        yield f"kernel={plain_text(node['kernel']).replace(' ', '×')}"
    texts = option_texts(node)
    for name, usual in _USUAL.items():
        text = texts.get(name)
        if text and not set(text.split()) <= usual:
            yield f"{name}={text}"
    for name in ("softcap", "chunk"):
        if name in texts:
            yield f"{name}={texts[name]}"


# ---------------------------------------------------------------- axes


def _plain_axes(node: Node) -> str:
    """`over=N`, `A → B` or a bare list, by the options there are."""
    options = node.options
    if "pairs" in options:
        return ", ".join(_arrow(_names(old), _names(new)) for old, new in options["pairs"])
    if "over" in options:
        named = _names(options.get("axes"))
        return " ".join(filter(None, [named, f"over={_names(options['over'])}" if options["over"] else ""]))
    return _names(options.get("axes")) or _names(options.get("axis"))


def _linear(node: Node) -> str:
    each = _names(node.options.get("each"))
    return _arrow(_names(node.options.get("over")), _names(node.options.get("made"))) + (f" each={each}" if each else "")


def _conv(node: Node) -> str:
    """The axes that the first input had and the result lacks, and the other way round; then those it slides over."""
    if isinstance(node.type, TupleType) or not node.inputs or isinstance(node.inputs[0].type, TupleType):
        return ""
    before, after = node.inputs[0].tensor.names, node.tensor.names
    gone = [name for name in before if name not in after]
    made = [name for name in after if name not in before]
    changed = _arrow(" ".join(gone), " ".join(made)) if gone or made else ""
    return f"{changed} over={_names(node.options.get('over'))}".strip()


def _split(node: Node) -> str:
    return _arrow(_names(node.options.get("axis")), _names(node.options.get("parts")))


def _merge(node: Node) -> str:
    made = _names(node.options.get("axes")) or _names(node.options.get("axis"))
    return _arrow(_names(node.options.get("parts")), made)


def _pick(node: Node) -> str:
    return f"{_names(node.options.get('axis'))}={plain_text(node.options.get('index'))}"


def _cut(node: Node) -> str:
    """`S=4..`: where a part begins; how long it is, its type says."""
    return f"{_names(node.options.get('axis'))}={plain_text(node.options.get('start'))}.."


def _attend(node: Node) -> str:
    return f"over={_names(node.options.get('keys') or node.options.get('over'))}"


def condition(node: Node) -> str:
    """When a choice takes its first way: `123*batch ≤ N`."""
    return f"{readable(node['left'])} ≤ {readable(node['right'])}"


def _choose(node: Node) -> str:
    """`first if 123 <= N`."""
    return f"first if {condition(node)}"


_AXES: Mapping[str, Callable[[Node], str]] = {
    "linear": _linear, "conv": _conv, "conv_transpose": _conv, "attend": _attend,
    "split": _split, "merge": _merge, "pick": _pick, "cut": _cut, "choose": _choose,
}  # fmt: skip


def _arrow(left: str, right: str) -> str:
    return f"{left or '1'} → {right or '1'}"


def _names(value: Any) -> str:
    if isinstance(value, str):
        return value
    if is_tuple(value):
        return " ".join(filter(None, (_names(item) for item in value)))
    return ""
