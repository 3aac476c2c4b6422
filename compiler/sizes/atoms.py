"""The indivisible parts of a size expression: symbols, and functions of whole expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .limits import MAX_DEPTH, MAX_TEXT, SizeTooLarge

if TYPE_CHECKING:
    from .size import Size

# "quotient" stands for a sum that something is divided by; it only ever has negative powers.
# "ceil" and "mod" exist for printing alone: the normal form writes both with floors.
Kind = Literal["symbol", "floor", "ceil", "mod", "max", "min", "abs", "log2", "floor_log2", "quotient"]

_INTEGRAL = frozenset({"symbol", "floor", "ceil", "mod", "floor_log2"})


class Atom:
    """One immutable factor of a monomial. Equal kind, name and arguments make equal atoms."""

    __slots__ = ("_hash", "args", "depth", "key", "kind", "name")

    kind: Kind
    name: str
    args: tuple[Size, ...]
    key: str
    depth: int

    def __init__(self, kind: Kind, name: str = "", args: tuple[Size, ...] = ()) -> None:
        self.kind = kind
        self.name = name
        self.args = args
        self.key = name if kind == "symbol" else f"{kind}({', '.join(arg.key for arg in args)})"
        self.depth = 1 + max((arg.depth for arg in args), default=0)
        self._hash = hash((kind, name, args))
        if self.depth > MAX_DEPTH or len(self.key) > MAX_TEXT:
            raise SizeTooLarge("a size expression is nested too deeply")

    def __reduce__(self) -> tuple[type[Atom], tuple[Kind, str, tuple[Size, ...]]]:
        # The cached hash depends on the process, so it must not travel in a pickle.
        return Atom, (self.kind, self.name, self.args)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Atom):
            return NotImplemented
        return self._hash == other._hash and (self.kind, self.name, self.args) == (other.kind, other.name, other.args)

    def __repr__(self) -> str:
        return f"Atom({self.key!r})"

    def is_integer(self) -> bool:
        """Whether the atom is an integer whenever its symbols are positive integers; False also when it cannot tell."""
        if self.kind in _INTEGRAL:
            return True
        return self.kind in ("max", "min", "abs") and all(arg.is_integer() is True for arg in self.args)


# Sorted by the atoms' keys, no zero exponents; the empty tuple is the constant monomial.
Monomial = tuple[tuple[Atom, int], ...]


def monomial(powers: dict[Atom, int]) -> Monomial:
    """The canonical monomial with these exponents."""
    return tuple(sorted(((a, e) for a, e in powers.items() if e), key=lambda item: (item[0].key, item[0].kind)))


def times(left: Monomial, right: Monomial) -> Monomial:
    """The product of two monomials."""
    if not left or not right:
        return left or right
    powers = dict(left)
    for atom, exponent in right:
        powers[atom] = powers.get(atom, 0) + exponent
    return monomial(powers)


def inverse(factor: Monomial) -> Monomial:
    """The monomial with every exponent negated."""
    return tuple((atom, -exponent) for atom, exponent in factor)


def is_integral(factor: Monomial) -> bool:
    """Whether the monomial is an integer for all positive integer symbols; False also when it cannot tell."""
    return all(exponent > 0 and atom.is_integer() for atom, exponent in factor)


def order(factor: Monomial) -> tuple[bool, int, tuple[tuple[str, int], ...]]:
    """Sort key of terms as people write them: higher degree first, then alphabetical, the constant last."""
    return not factor, -sum(e for _, e in factor), tuple((a.key, -e) for a, e in factor)
