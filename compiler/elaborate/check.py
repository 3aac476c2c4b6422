"""Checking a file: every block, at every value of its enumerations and switches, with and without its optional inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...dsl import tree
from ...dsl.diagnostics import Diagnostic
from ...dsl.loader import Unit
from .root import elaborate
from .values import is_list

MAX_VARIANTS = 64


def check_unit(unit: Unit) -> list[Diagnostic]:
    """Every mistake in the blocks of a file, each once, in the order of the text."""
    found: dict[tuple[str, object, str], Diagnostic] = {}
    for block in unit.program.blocks:
        for diagnostic in check_block(unit, block):
            found.setdefault(
                (diagnostic.code, (diagnostic.span.source.name, diagnostic.span.start, diagnostic.span.end), diagnostic.title), diagnostic
            )
    return sorted(found.values(), key=lambda d: (d.span.source.name != unit.program.source.name, d.span.source.name, d.span.start))


def check_block(unit: Unit, block: tree.Block) -> list[Diagnostic]:
    """The mistakes of one block over all its variants; a variant is looked at only where the plain one has no error."""
    optional = [param.name for param in block.params if isinstance(param.spec, tree.TensorSpec) and param.default is not None]
    diagnostics = list(elaborate(unit, block, checking=True).diagnostics)
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        return diagnostics
    diagnostics.extend(unused(block))
    if optional:
        diagnostics.extend(elaborate(unit, block, given=optional, checking=True).diagnostics)
    for variant, _ in zip(_variants(block), range(MAX_VARIANTS), strict=False):
        diagnostics.extend(elaborate(unit, block, variant, given=optional, checking=True).diagnostics)
    return diagnostics


def _variants(block: tree.Block) -> Iterator[dict[str, Any]]:
    """Each enumeration at each value, each switch both ways, the others at their defaults."""
    for param in block.params:
        if isinstance(param.spec, tree.EnumSpec):
            for value in param.spec.values:
                yield {param.name: value}
        elif isinstance(param.spec, tree.StaticSpec) and param.spec.kind == "bool" and not param.spec.many:
            for choice in (False, True):
                yield {param.name: choice}


# ---------------------------------------------------------------- unused bindings


def unused(block: tree.Block) -> list[Diagnostic]:
    """Names that are bound and never read. A leading underscore says it is meant."""
    read = set(_names_read(block.body))
    help = "remove it, or call it _ to say it is meant"
    return [
        Diagnostic("W0801", f"`{target.name}` is never used", target.span, "bound here", help=help)
        for target in _bound(block.body)
        if target.name not in read and not target.name.startswith("_")
    ]


def _bound(body: tuple[tree.Statement, ...]) -> Iterator[tree.Target]:
    for statement in body:
        match statement:
            case tree.Assign():
                yield from statement.targets
                if isinstance(statement.value, tree.Scan):
                    yield from _bound(statement.value.body)
            case tree.StaticDecl() | tree.Storage():
                yield statement.target
            case tree.If():
                yield from _bound(statement.then)
                yield from _bound(statement.other)
            case tree.For():
                yield from _bound(statement.body)
            case _:
                pass


def _names_read(item: object) -> Iterator[str]:
    """Every name that stands where a value is read, anywhere below."""
    if isinstance(item, tree.Name):
        yield item.text
    elif isinstance(item, tree.Target):
        if item.index is not None:
            yield from _names_read(item.index)
    elif isinstance(item, tree.Scan):
        yield from (carry.name for carry in item.carries)
        yield from (name for part in (*item.carries, *item.body) for name in _names_read(part))
    elif isinstance(item, tree.Next):
        yield item.target.name
        yield from _names_read(item.value)
    elif isinstance(item, tree.AxisItem):
        yield item.name
        yield from _names_read(item.size)
    elif isinstance(item, tree.Tree):
        for field in item.fields:
            yield from _names_read(getattr(item, field))
    elif is_list(item):
        for part in item:
            yield from _names_read(part)
