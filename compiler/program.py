"""Programs as a caller meets them: from a path, a library name or a text to a block that can be checked, bound and compiled. No torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dsl import tree
from ..dsl.closest import closest
from ..dsl.diagnostics import AttnError, Diagnostic, Fault
from ..dsl.loader import Library, Unit
from ..dsl.parser import decode
from ..dsl.source import NOWHERE, Source
from .graph import Graph

if TYPE_CHECKING:
    from .lower.module import AttnModule
    from .passes.base import Mode


@dataclass(frozen=True)
class Text:
    """A program given as text; `name` is what messages call it."""

    text: str
    name: str = "<text>"


def text(source: str, name: str = "<text>") -> Text:
    """Mark a string as a program's text, where a plain string would be a path."""
    return Text(source, name)


@dataclass(frozen=True, eq=False)
class BlockProgram:
    """One block of a loaded file. Calling it with its sizes compiles it: `attn.std.channel.se(C=64)`."""

    unit: Unit
    block: tree.Block
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def name(self) -> str:
        return self.block.name

    def graph(self, bind: Mapping[str, Any] | None = None, inputs: Collection[str] = (), checking: bool = False) -> Graph:
        """The typed graph with these sizes and parameters. Raises AttnError with every mistake found.

        `inputs` are the optional tensors that will be passed; while `checking`, what is unbound stays symbolic.
        """
        from .elaborate import elaborate

        self._sound()
        unknown = [name for name in inputs if name not in self.optional()]
        if unknown:
            help = f"its optional inputs: {', '.join(self.optional()) or 'none'}"
            raise AttnError([Diagnostic("E0502", f"block `{self.name}` has no optional input `{unknown[0]}`", self.block.head, help=help)])
        return elaborate(self.unit, self.block, bind, inputs, checking).require()

    def optional(self) -> list[str]:
        """The names of the tensors that may be left out."""
        return [param.name for param in self.block.params if isinstance(param.spec, tree.TensorSpec) and param.default is not None]

    def _sound(self) -> None:
        errors = [diagnostic for diagnostic in self.diagnostics if diagnostic.severity == "error"]
        if errors:
            raise AttnError(errors)

    def __call__(
        self,
        *,
        bind: Mapping[str, Any] | None = None,
        inputs: tuple[str, ...] = (),
        dtype: Any = None,
        device: Any = None,
        mode: Mode = "train",
        level: int = 2,
        verify: bool = False,
        **sizes: Any,
    ) -> AttnModule:
        from .lower.compiling import compile_program

        fixed = {**(bind or {}), **sizes}
        return compile_program(self, fixed, inputs, dtype=dtype, device=device, mode=mode, level=level, verify=verify)

    def _repr_svg_(self) -> str:
        from .view import render_svg

        return render_svg(self.graph(checking=True))

    def _repr_html_(self) -> str:
        return f'<div style="max-width:100%;overflow:auto">{self._repr_svg_()}</div>'

    def __repr__(self) -> str:
        return f"<block {signature(self.block)}>"


def signature(block: tree.Block) -> str:
    """`se(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W]`, on one line."""
    flat = " ".join(block.head.text.removeprefix("block").split()).removesuffix("{").strip()
    return flat.replace("( ", "(").replace(" )", ")")


# ---------------------------------------------------------------- loading


def read_source(source: str | Path | Text) -> Source:
    """The text of a file. Raises AttnError where there is none, or where it is no text."""
    if isinstance(source, Text):
        return Source(source.name, source.text)
    path = Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AttnError([_unreadable(str(source), error)]) from None
    found, diagnostics = decode(data, str(source))
    if diagnostics:
        raise AttnError(diagnostics)
    return found


def _unreadable(name: str, error: OSError) -> Diagnostic:
    help = "for a program in a string write attn.text(...)" if "\n" in name or "{" in name else ""
    return Diagnostic("E0046", f"cannot read `{name[:80]}`: {error.strerror or error}", NOWHERE, help=help)


def is_module(source: object) -> bool:
    """Whether a source names a library module (`std.channel`) and not a file."""
    return isinstance(source, str) and source.startswith("std.") and all(part.isidentifier() for part in source.split("."))


def load_unit(source: str | Path | Text, roots: Iterable[Path] | None = None) -> tuple[Unit, list[Diagnostic]]:
    """A file with everything it uses, and what is wrong with the text. Modules are looked up beside the file, or in `roots`."""
    if is_module(source):
        try:
            return Library().module(str(source))
        except Fault as fault:
            raise AttnError([replace(fault.diagnostic, span=NOWHERE)]) from None  # the caller's word, not a text's
    found = read_source(source)
    if roots is None:
        roots = () if isinstance(source, Text) else (Path(source).resolve().parent,)
    return Library(tuple(roots)).load(found)


def load(source: Any, block: str | None = None, roots: Iterable[Path] | None = None) -> BlockProgram:
    """A block of a program: the named one, or the file's only or last block. Raises AttnError where there is none."""
    if isinstance(source, BlockProgram):
        return source if block is None else select(source.unit, block, list(source.diagnostics))
    unit, diagnostics = load_unit(source, roots)
    return select(unit, block, diagnostics)


def select(unit: Unit, block: str | None, diagnostics: list[Diagnostic]) -> BlockProgram:
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
    if not unit.blocks:
        raise AttnError(
            errors
            or [
                Diagnostic(
                    "E0514", f"`{unit.source.name}` has no block", NOWHERE, help="a program is `block name(x: [..]) -> [..] { ... }`"
                )
            ]
        )
    if block is None:
        return BlockProgram(unit, list(unit.blocks.values())[-1], tuple(diagnostics))
    if block not in unit.blocks:
        if errors:
            raise AttnError(errors)
        near = closest(block, unit.blocks)
        help = f"did you mean `{near}`?" if near else f"its blocks: {', '.join(unit.blocks)}"
        raise AttnError([Diagnostic("E0104", f"`{unit.source.name}` has no block `{block}`", NOWHERE, help=help)])
    return BlockProgram(unit, unit.blocks[block], tuple(diagnostics))


def check(source: Any, roots: Iterable[Path] | None = None) -> list[Diagnostic]:
    """Every mistake and doubt in a program: syntax, names, axes, sizes. An empty list where there is none. Imports no torch."""
    from .elaborate import check_unit

    unit, diagnostics = (source.unit, list(source.diagnostics)) if isinstance(source, BlockProgram) else load_unit(source, roots)
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        return (
            diagnostics + [d for d in check_unit(unit) if d.severity == "error"]
            if unit.blocks and not _syntax(diagnostics)
            else diagnostics
        )
    return diagnostics + check_unit(unit)


def _syntax(diagnostics: list[Diagnostic]) -> bool:
    """Whether the text itself could not be read, so that further errors would be echoes."""
    return any(diagnostic.code < "E0030" for diagnostic in diagnostics if diagnostic.severity == "error")


# ---------------------------------------------------------------- the library as attributes


class Family:
    """A library module: its blocks are attributes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> BlockProgram:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return load(self._name, name)
        except AttnError as error:
            raise AttributeError(error.diagnostics[0].title) from None

    def __dir__(self) -> list[str]:
        unit, _ = load_unit(self._name)
        return list(unit.blocks)

    def __repr__(self) -> str:
        return f"<library module {self._name}: {', '.join(dir(self))}>"


class Shelf:
    """`attn.std`: the modules of the library are attributes."""

    def __getattr__(self, name: str) -> Family:
        if name.startswith("_") or name not in dir(self):
            raise AttributeError(f"the library has no module {name!r}; it has {', '.join(dir(self))}")
        return Family(f"std.{name}")

    def __dir__(self) -> list[str]:
        return [name.removeprefix("std.") for name in Library().names() if name.startswith("std.")]

    def __repr__(self) -> str:
        return f"<library std: {', '.join(dir(self))}>"


std = Shelf()
