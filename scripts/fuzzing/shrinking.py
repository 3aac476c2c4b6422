"""A program that fails, made as small as it can be and still fail: fewer lines, inputs and axes, plainer lines, smaller sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from .live import NotText
from .program import Program
from .sheet import Sheet

Fails = Callable[[Program], bool]
MOST_TRIES = 600
SMALL = (1, 2, 3)


@dataclass(frozen=True)
class Sketch:
    """What a program is made from; `results` are values' names."""

    seed: int
    inputs: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    bind: dict[str, int]
    free: dict[str, int]
    helpers: str

    def program(self) -> Program | None:
        """None where the compiler refuses it."""
        named = {axis for text in self.inputs for axis in _axes(text)}
        bind = {axis: size for axis, size in self.bind.items() if axis in named}
        try:
            sheet = Sheet(self.inputs, bind, self.free, self.helpers)
        except (NotText, ValueError):
            return None
        said = all(_said(sheet, line) for line in self.lines)
        if not said or any(name not in sheet.vars or sheet.clashes(name) for name in self.results):
            return None
        orders = {name: [*(["*"] if sheet.vars[name].star else []), *sheet.vars[name].axes] for name in self.results}
        return sheet.program(self.seed, orders)


def _said(sheet: Sheet, line: str) -> bool:
    try:
        return sheet.say(line)
    except NotText:
        return False


def shrunk(program: Program, fails: Fails) -> Program:
    """The smallest program found that `fails`; the same one where none is, or where its parts are not known."""
    parts = program.parts
    if parts is None:
        return program
    now = Sketch(
        program.seed, parts.inputs, parts.lines, tuple(result[1] for result in parts.results), program.bind, program.free, parts.helpers
    )
    best, tries = program, 0
    going = True
    while going and tries < MOST_TRIES:
        going = False
        for candidate in smaller(now):
            tries += 1
            made = candidate.program() if tries <= MOST_TRIES else None
            if made is not None and fails(made):
                now, best, going = candidate, made, True
                break
    return best


# ---------------------------------------------------------------- candidates


def smaller(d: Sketch) -> Iterator[Sketch]:
    """Programs that are a step smaller, the largest steps first."""
    yield from _fewer_results(d)
    yield from _fewer_lines(d)
    yield from _fewer_names(d)
    yield from _fewer_helpers(d)
    yield from _fewer_inputs(d)
    yield from _plainer_lines(d)
    yield from _smaller_sizes(d)
    yield from _fewer_axes(d)


def _fewer_results(d: Sketch) -> Iterator[Sketch]:
    if len(d.results) > 1:
        yield from (replace(d, results=(name,)) for name in d.results)
    for line in d.lines:  # an earlier value instead of all
        name = line.split(" = ")[0].split(", ")[-1]
        if (name,) != d.results and re.fullmatch(r"v\d+", name):
            yield replace(d, results=(name,), lines=d.lines[: d.lines.index(line) + 1])


def _fewer_helpers(d: Sketch) -> Iterator[Sketch]:
    """Without the blocks that are called, or without one of them."""
    blocks = [block for block in re.split(r"(?m)^(?=block )", d.helpers) if block]
    without = [blocks[:i] + blocks[i + 1 :] for i in range(len(blocks))]
    yield from (replace(d, helpers="".join(left)) for left in ([], *without) if blocks)


def _fewer_lines(d: Sketch) -> Iterator[Sketch]:
    for i in range(len(d.lines) - 1, -1, -1):
        yield replace(d, lines=d.lines[:i] + d.lines[i + 1 :])


def _fewer_names(d: Sketch) -> Iterator[Sketch]:
    """`v2 = v1` goes, and `v1` is read instead."""
    for i, line in enumerate(d.lines):
        alias = re.fullmatch(r"(v\d+) = ([vx]\d+)", line)
        if alias:
            old, new = re.compile(rf"\b{alias[1]}\b"), alias[2]
            lines = (*d.lines[:i], *(old.sub(new, other) for other in d.lines[i + 1 :]))
            yield replace(d, lines=lines, results=tuple(new if name == alias[1] else name for name in d.results))


def _fewer_inputs(d: Sketch) -> Iterator[Sketch]:
    for i in range(len(d.inputs) - 1, -1, -1):
        yield replace(d, inputs=d.inputs[:i] + d.inputs[i + 1 :])


def _plainer_lines(d: Sketch) -> Iterator[Sketch]:
    for i, line in enumerate(d.lines):
        for plain in plainer(line):
            yield replace(d, lines=(*d.lines[:i], plain, *d.lines[i + 1 :]))


def plainer(line: str) -> Iterator[str]:
    """A line without one of its options, without a step of a pipe, or with one of its operands alone."""
    if " = " not in line or "\n" in line:
        return
    name, text = line.split(" = ", 1)
    steps = text.split(" |> ")
    if len(steps) > 1:
        yield from (f"{name} = {' |> '.join(steps[:i] + steps[i + 1 :])}" for i in range(len(steps)))
    for option in re.finditer(r", [a-z_]+=(?:\[[^\]]*\]|\"[^\"]*\"|[^,()\[\]]|\([^()]*\))+", text):
        yield f"{name} = {text[: option.start()]}{text[option.end() :]}"
    operands = list(dict.fromkeys(re.findall(r"\b[vx]\d+\b", text)))
    if text not in operands and name.startswith("v") and "," not in name:
        yield from (f"{name} = {operand}" for operand in operands)


def _smaller_sizes(d: Sketch) -> Iterator[Sketch]:
    for axis, size in d.bind.items():
        yield from (replace(d, bind={**d.bind, axis: less}) for less in SMALL if less < size)
    for axis, size in d.free.items():
        yield from (replace(d, free={**d.free, axis: less}) for less in SMALL if less < size)


def _fewer_axes(d: Sketch) -> Iterator[Sketch]:
    for i, text in enumerate(d.inputs):
        axes = _axes(text)
        for axis in axes:
            left = [other for other in axes if other != axis]
            changed = f"{text[: text.index('[')]}[{', '.join(left)}]"
            yield replace(d, inputs=(*d.inputs[:i], changed, *d.inputs[i + 1 :]))


def _axes(declared: str) -> Sequence[str]:
    inner = declared[declared.index("[") + 1 : declared.rindex("]")]
    return [axis.strip() for axis in inner.split(",") if axis.strip()]
