"""How weights get their names: paths from `as`, from bindings, or from operators (language page, section 3).

Whether a binding names one owner or several is known only after its statement, so paths are worked out at the end. Owners and
contexts are found again by their place in the text: a layer applied twice meets its own weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...dsl.source import NOWHERE, Span

Place = tuple[object, ...]
"""Where in the text, and in which turn of the loops around it."""


@dataclass(eq=False)
class Owner:
    """Something that may own weights: a call of an operator or block. The root owner is the module itself.

    `label` is the path given by `as` (None without); `word` the operator's or block's own name.
    """

    context: Context | None
    label: tuple[str, ...] | None
    word: str
    span: Span
    direct: dict[str, int] = field(default_factory=dict[str, int])
    contexts: dict[Place, Context] = field(default_factory=dict["Place", "Context"])

    def inside(self, place: Place, binding: tuple[str, ...]) -> Context:
        """The naming context of a statement within this owner."""
        if place not in self.contexts:
            self.contexts[place] = Context(self, None, binding)
        return self.contexts[place]

    def owns(self) -> bool:
        """Whether any weight lives here or below."""
        return bool(self.direct) or any(context.owns() for context in self.contexts.values())

    def outward(self) -> Iterator[Owner]:
        """This owner and those it is inside of, without the root."""
        owner = self
        while owner.context is not None:
            yield owner
            owner = owner.context.owner

    def path(self) -> tuple[str, ...]:
        context = self.context
        if context is None:
            return ()
        if self.label is not None:
            return (*context.prefix(), *self.label)
        if context.binding and len(context.owners_with_weights()) == 1:
            return (*context.path(),)
        return (*context.path(), self.word)


@dataclass(eq=False)
class Context:
    """A statement, or a parenthesis with `as`: what its owners are named after."""

    owner: Owner
    outer: Context | None
    binding: tuple[str, ...]
    members: dict[Place, Owner | Context] = field(default_factory=dict["Place", "Owner | Context"])

    def child(self, place: Place, label: tuple[str, ...] | None, word: str, span: Span) -> Owner:
        found = self.members.get(place)
        if not isinstance(found, Owner):
            found = self.members[place] = Owner(self, label, word, span)
        return found

    def parenthesis(self, place: Place, label: tuple[str, ...]) -> Context:
        found = self.members.get(place)
        if not isinstance(found, Context):
            found = self.members[place] = Context(self.owner, self, label)
        return found

    def prefix(self) -> tuple[str, ...]:
        """What stands before an `as` in here."""
        return self.owner.path() if self.outer is None else self.path()

    def path(self) -> tuple[str, ...]:
        """What stands before an owner without `as`."""
        before = self.owner.path() if self.outer is None else self.outer.prefix()
        return (*before, *self.binding)

    def owns(self) -> bool:
        return any(member.owns() for member in self.members.values())

    def owners_with_weights(self) -> list[Owner | Context]:
        return [member for member in self.members.values() if member.owns()]


def root() -> Owner:
    return Owner(None, None, "", NOWHERE)
