"""A program with all that it takes to run it: text, sizes, and the number that its inputs and settings follow from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import attn
from attn.compiler.graph import Graph


@dataclass(frozen=True)
class Parts:
    """What the text is made of. `results`: name, value, axes in order, and kind of number of each result."""

    inputs: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[tuple[str, str, tuple[str, ...], str], ...]
    helpers: str = ""

    @property
    def text(self) -> str:
        types = [f"{'' if kind in ('float', 'wide') else kind + ' '}[{', '.join(axes)}]" for _, _, axes, kind in self.results]
        named = [f"{result[0]}: {type}" for result, type in zip(self.results, types, strict=True)]
        head = types[0] if len(types) == 1 else f"({', '.join(named)})"
        body = "".join(f"    {line}\n" for line in [*self.lines, "return " + ", ".join(result[1] for result in self.results)])
        return f"{self.helpers}block t({', '.join(self.inputs)}) -> {head} {{\n{body}}}\n"


@dataclass(frozen=True)
class Program:
    """`bind` are the sizes it is compiled for, `free` those that stay open (with `*`). `parts` are only known of one that was just made."""

    seed: int
    text: str
    bind: dict[str, int]
    free: dict[str, int]
    graph: Graph = field(compare=False, repr=False)
    parts: Parts | None = field(default=None, compare=False, repr=False)


def from_text(text: str, seed: int, bind: dict[str, int], free: dict[str, int]) -> Program:
    """Raises AttnError where the text is none."""
    return Program(seed, text, bind, free, attn.load(attn.text(text)).graph(bind))


# ---------------------------------------------------------------- files


def saved(program: Program, why: str) -> str:
    """A file that says what was wrong, and that `opened` makes the program from again."""
    notes = "".join(f"# {line}\n" for line in why.splitlines()[:20])
    return f"{notes}# {json.dumps({'seed': program.seed, 'bind': program.bind, 'free': program.free})}\n\n{program.text}"


def opened(path: Path) -> Program:
    """The program of a file that `saved` wrote. ValueError where it has no settings."""
    text = path.read_text(encoding="utf-8")
    settings = next((line[2:] for line in text.splitlines() if line.startswith("# {")), None)
    if settings is None:
        raise ValueError(f"{path} has no line with its settings")
    found = json.loads(settings)
    return from_text(text, found["seed"], found["bind"], found["free"])
