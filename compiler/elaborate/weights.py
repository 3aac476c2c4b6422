"""The weights of a program under their final names, once the whole program is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...dsl import tree
from ...dsl.diagnostics import Diagnostic, Label
from ...dsl.source import Span
from ..graph import Weight, topological
from .session import Session, Slot


def name_weights(session: Session, block: tree.Block) -> tuple[Weight, ...]:
    """The weights with their paths; clashes, and sizes that are not bound, are reported."""
    weights: list[Weight] = []
    taken: dict[str, Slot] = {}
    for slot in session.slots:
        path = ".".join((*slot.owner.path(), slot.leaf))
        _check_path(session, path, slot, taken)
        taken[path] = slot
        weights.append(Weight(path, slot.kind, slot.axes, slot.groups, slot.dtype, slot.init, slot.span))
    _check_prefixes(session, taken)
    if not session.checking:
        _check_bound(session, block, weights)
    return tuple(weights)


def _check_path(session: Session, path: str, slot: Slot, taken: Mapping[str, Slot]) -> None:
    other = taken.get(path)
    if other is None:
        return
    here, there = _apart(slot, other)
    if any(d.span == here and d.code in ("E0401", "E0402") for d in session.diagnostics):
        return
    if here == there and other.owner is not slot.owner:
        session.report(
            Diagnostic(
                "E0402",
                f"the weight `{path}` is made anew in every turn of a loop under one name",
                here,
                "made here",
                help="name the turn: `as layers[i]`, or make the layer before the loop to share it",
            )
        )
    else:
        session.report(
            Diagnostic(
                "E0401",
                f"two weights would be called `{path}`",
                here,
                "the second is here",
                (Label(there, "the first is here"),),
                help="give one of them a name of its own: ... as other",
            )
        )


def _apart(slot: Slot, other: Slot) -> tuple[Span, Span]:
    """Where the text first tells two weights apart: where each is made, else the calls that led there, from the inside out."""
    ways = [[each.span, *(owner.span for owner in each.owner.outward())] for each in (slot, other)]
    return next((pair for pair in zip(*ways, strict=False) if pair[0] != pair[1]), (slot.owner.span, other.owner.span))


def _check_prefixes(session: Session, taken: Mapping[str, Slot]) -> None:
    for path, slot in taken.items():
        parts = path.split(".")
        for end in range(1, len(parts)):
            outer = taken.get(".".join(parts[:end]))
            if outer is not None:
                session.report(
                    Diagnostic(
                        "E0401",
                        f"`{'.'.join(parts[:end])}` is a weight and the path of another, `{path}`",
                        slot.span,
                        "the other is here",
                        (Label(outer.span, "the weight is here"),),
                        help="give one of them a name of its own: ... as other",
                    )
                )


def _sizes_of_start(weight: Weight) -> set[str]:
    """The sizes that the formula of an initial value has in it."""
    if weight.init.node is None:
        return set()
    sizes = [node["value"] for node in topological([weight.init.node]) if node.op == "size"]
    return {name for size in sizes for name in size.free()}


def _check_bound(session: Session, block: tree.Block, weights: Sequence[Weight]) -> None:
    """Every axis in the shape of a weight, and every size its initial value speaks of, must have a number."""
    needed: dict[str, list[str]] = {}
    for weight in weights:
        for name in sorted({name for length in weight.shape for name in length.free()} | _sizes_of_start(weight)):
            needed.setdefault(name, []).append(weight.path)
    if not needed:
        return
    names = sorted(needed)
    shown = ", ".join(f"`{name}`" for name in names)
    first = needed[names[0]]
    call = ", ".join(f"{name}=64" for name in names)
    shape = any(names[0] in length.free() for weight in weights for length in weight.shape)
    where = "in their shape" if shape else "in their initial values"
    session.report(
        Diagnostic(
            "E0501",
            f"{shown} must be bound: weights have {'it' if len(names) == 1 else 'them'} {where}",
            block.head,
            f"needed by `{first[0]}`" + (f" and {len(first) - 1} more" if len(first) > 1 else ""),
            help=f"bind: attn.compile(..., {call}) or --bind {call}",
        )
    )
