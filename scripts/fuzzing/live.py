"""A block that grows statement by statement: each is parsed and checked as the compiler does it, and taken back where it is refused.

So a generator needs no axis rules of its own: it writes a statement and reads from the scope what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from attn.compiler.elaborate import naming
from attn.compiler.elaborate.frame import Frame
from attn.compiler.elaborate.root import Root
from attn.compiler.elaborate.scope import Scope
from attn.compiler.elaborate.session import Session, Visit
from attn.compiler.elaborate.statements import run_one
from attn.compiler.elaborate.weights import name_weights
from attn.compiler.graph import Graph, Guard, Node, Output
from attn.compiler.sizes import Size
from attn.compiler.types import TensorType
from attn.dsl.diagnostics import Diagnostic
from attn.dsl.loader import Library, Unit
from attn.dsl.parser import parse_body
from attn.dsl.source import Source
from attn.dsl.tree import Block, Statement


class NotText(Exception):
    """The generator wrote what is no statement at all."""


@dataclass(frozen=True)
class Kept:
    """What a statement may change, to go back to."""

    scope: Scope
    slots: int
    guards: dict[tuple[str, Size], Guard]
    updates: dict[int, Node]
    made: int


class Live:
    """The inside of `head { ... }`, bound to these sizes. `helpers` are the texts of blocks before it."""

    def __init__(self, head: str, bind: Mapping[str, int], helpers: str = "") -> None:
        self.unit, self.block = _block(f"{head} -> [] {{ return 0 }}\n", helpers)
        self.session = Session(False)
        owner = naming.root()
        self.frame = Frame(self.session, Scope(self.unit), owner, owner.inside(("block",), ()))
        self.session.visits.append(Visit(self.block, self.block.name, None))
        inputs = Root(self.frame, self.block, dict(bind), frozenset()).bind()
        if inputs is None or self.session.diagnostics:
            raise NotText(f"{head}: {self.session.diagnostics}")
        self.inputs = inputs
        self.count = 0

    def say(self, text: str) -> Diagnostic | None:
        """Run a statement. None where it stands; else why it is refused, and everything is as before."""
        self.count += 1
        (statement,) = statements(text, f"line {self.count}")
        kept = self._keep()
        run_one(self.frame, statement)
        errors = [found for found in self.session.diagnostics if found.severity == "error"]
        self.session.diagnostics.clear()
        if not errors:
            return None
        self._back(kept)
        return errors[0]

    def value(self, name: str) -> object:
        return self.frame.scope.values.get(name)

    def graph(self, results: Sequence[tuple[str, str, Sequence[str]]]) -> Graph:
        """The graph that returns these: the result's name, the value's, and its axes in order."""
        outputs: list[Output] = []
        for result, name, order in results:
            node = self.value(name)
            assert isinstance(node, Node)
            outputs.append(Output(result, node, tuple(self.symbol(axis) for axis in order)))
        weights = name_weights(self.session, self.block)
        updates = tuple(sorted(self.session.updates.items()))
        return Graph(self.block.name, self.inputs, tuple(outputs), weights, updates, tuple(self.session.guards.values()))

    def symbol(self, axis: str) -> str:
        return axis if axis == "*" else self.frame.scope.entry(axis).symbol

    def local(self, symbol: str) -> str:
        return self.frame.scope.local(symbol)

    def tensors(self) -> dict[str, Node]:
        """Every value with one tensor in it, in the order of their making."""
        values = self.frame.scope.values.items()
        return {name: value for name, value in values if isinstance(value, Node) and isinstance(value.type, TensorType)}

    # ------------------------------------------------ going back

    def _keep(self) -> Kept:
        session = self.session
        return Kept(self.frame.scope.copy(), len(session.slots), dict(session.guards), dict(session.updates), session.made)

    def _back(self, kept: Kept) -> None:
        session = self.session
        self.frame.scope = kept.scope
        del session.slots[kept.slots :]
        session.guards.clear()
        session.guards.update(kept.guards)
        session.updates, session.made = kept.updates, kept.made


def _block(text: str, helpers: str) -> tuple[Unit, Block]:
    """The last block of a text, in a unit that has the blocks of `helpers`, too."""
    unit = _unit(text)
    (block,) = unit.blocks.values()
    if not helpers:
        return unit, block
    before = _helpers(helpers)
    return replace(unit, blocks={**before.blocks, **unit.blocks}, scope={**before.scope, **unit.scope}), block


def _unit(text: str) -> Unit:
    unit, diagnostics = Library(()).load(Source("<head>", text))
    if diagnostics:
        raise NotText(f"{text}: {diagnostics}")
    return unit


_helpers = cache(_unit)
"""Blocks that many programs call are read once."""


def statements(text: str, name: str) -> Sequence[Statement]:
    """The statements in a text. Raises NotText where it cannot be read."""
    body, diagnostics = parse_body(Source(name, text))
    if diagnostics:
        raise NotText(f"{text}: {diagnostics[0].title}")
    return body
