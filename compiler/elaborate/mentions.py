"""The values that a program names, under the paths that its weights have: what a probe can ask for."""

from __future__ import annotations

from ..graph import Named, Node
from . import naming
from .frame import Frame
from .session import Session

SOFTMAXES = frozenset(("softmax", "entmax15", "sparsemax"))


def mention_result(frame: Frame, operator: str, result: Node | tuple[Node, ...]) -> None:
    """An operator's result under the path of its weights or the name that `as` gave it, and attention for the sake of its weights."""
    owner, session = frame.owner, frame.session
    if (owner.label is not None or owner.direct) and isinstance(result, Node):
        session.mention(owner, "", result)
    if operator not in SOFTMAXES and operator != "attend":
        return
    around = owner.context.owner if owner.context is not None else owner
    first = result[0] if isinstance(result, tuple) else result
    name = owner.label[-1] if owner.label is not None else frame.binding
    if first.op == "attend":
        session.mention(around, name, first, "attend")
    else:
        session.mention(around, name, weights_of(first) if operator == "attend" else first, "weights")


def weights_of(read: Node) -> Node:
    """What attention that is written out reads with: the weights, before dropout."""
    weights = read.inputs[0] if read.op == "dot" else read
    return weights.inputs[0] if weights.op == "dropout" else weights


def name_values(session: Session) -> tuple[Named, ...]:
    """Every mention under its path, in the order they were made."""
    paths: dict[naming.Owner, tuple[str, ...]] = {}
    found: list[Named] = []
    for mention in session.mentions:
        if mention.owner not in paths:
            paths[mention.owner] = _path(mention.owner)
        found.append(Named(paths[mention.owner], mention.name, mention.kind, mention.node))
    return tuple(found)


def _path(owner: naming.Owner) -> tuple[str, ...]:
    """The path of the owner's weights; one without any is called after its binding and its own name."""
    context = owner.context
    if context is None or owner.label is not None or owner.owns():
        return owner.path()
    return (*context.path(), owner.word)
