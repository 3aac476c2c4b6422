"""Text to tree. Whatever the text, there is a `Program` with what could be read and a list of what was wrong.

After a mistake the parser goes back to its state at the beginning of the statement and goes on behind it, so one mistake gives one
message and every statement gets its chance.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache

from . import limits
from .diagnostics import Diagnostic, Fault
from .layout import Layout
from .lexer import Lexer
from .machine import LOCK, Machine, Misfit, State
from .mistakes import Place, begins_block, begins_item, explain
from .parts import File
from .source import Source, Span
from .tokens import Word, mark
from .tree import Block, Comment, Program, Statement, Use

VERSION = 1
_FAKE_BLOCK = ("BLOCK", "NAME", "LPAR", "RPAR", "ARROW", "LSQB", "RSQB")
_FAKE_STATEMENT = ("IF", "TRUE")


def parse(source: Source) -> tuple[Program, list[Diagnostic]]:
    """The program in a text and every mistake found in its spelling, in the order of the text. Never raises for what the text says."""
    lexer = Lexer(source)
    diagnostics = lexer.diagnostics
    file = File(None, ())
    try:
        lexer.run()
        layout = Layout(source, lexer.words)
        layout.run()
        diagnostics = diagnostics + layout.diagnostics
        touched = sorted([d.span.start for d in lexer.diagnostics] + layout.mended)
        with LOCK:
            run = _Run(source, layout.output, touched)
            file = run.run()
        diagnostics = diagnostics + run.diagnostics
    except Fault as fault:
        diagnostics = [*diagnostics, fault.diagnostic]
    version = _version(file, diagnostics)
    return _program(source, file, version, lexer.comments), _bounded(diagnostics)


def parse_body(source: Source) -> tuple[tuple[Statement, ...], list[Diagnostic]]:
    """The statements in a text that holds nothing else, as they stand between the braces of a block, and what is wrong with them."""
    lexer = Lexer(source)
    lexer.run()
    layout = Layout(source, lexer.words)
    layout.run()
    end = len(source.text)
    with LOCK:
        run = _Run(source, [*layout.output, mark("RBRACE", source, end), mark("END", source, end)], [], _inside_block())
        (block,) = run.run().items
    return block.body if isinstance(block, Block) else (), [*lexer.diagnostics, *layout.diagnostics, *run.diagnostics]


@cache
def _inside_block() -> State:
    """Where a machine stands behind the head of a block and its `{`."""
    machine, nowhere = Machine(), Source("<block>", "")
    for kind in (*_FAKE_BLOCK, "LBRACE"):
        machine.feed(mark(kind, nowhere, 0))
    return machine.state()


def _version(file: File, diagnostics: list[Diagnostic]) -> int | None:
    if file.version is None:
        return None
    number = int(file.version.number)
    if number != VERSION:
        title = f"this attn reads version {VERSION} of the language, not {number}"
        diagnostics.append(Diagnostic("E0020", title, file.version.span, help=f"write `attn {VERSION}`, or install another attn"))
    return number


def _bounded(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    diagnostics.sort(key=lambda d: (d.span.start, d.span.end))
    if len(diagnostics) <= limits.DIAGNOSTICS:
        return diagnostics
    kept = diagnostics[: limits.DIAGNOSTICS]
    return [*kept, Diagnostic("E0036", f"stopped after {limits.DIAGNOSTICS} mistakes", diagnostics[limits.DIAGNOSTICS].span)]


def _program(source: Source, file: File, version: int | None, comments: list[Comment]) -> Program:
    lines = {source.position(comment.span.start)[0]: comment for comment in comments if comment.alone}
    uses = tuple(item for item in file.items if isinstance(item, Use))
    blocks = tuple(_documented(item, lines) for item in file.items if isinstance(item, Block) and item.name)
    return Program(Span(source, 0, len(source.text)), source, version, uses, blocks, tuple(comments))


def _documented(block: Block, lines: dict[int, Comment]) -> Block:
    """The block with the run of comments right above it as its documentation."""
    number = block.span.source.position(block.span.start)[0] - 1
    found: list[str] = []
    while number in lines:
        found.append(lines[number].text.removeprefix(" "))
        number -= 1
    return block.replace(doc="\n".join(reversed(found))) if found else block


class _Run:
    """One pass over the tokens, of a file or from a state `inside` a block on. `_marks` holds, for every open body, where its current
    statement began and the parser's state there."""

    def __init__(self, source: Source, tokens: list[Word], touched: list[int], inside: State | None = None) -> None:
        self.source = source
        self.tokens = tokens
        self.touched = touched
        self.diagnostics: list[Diagnostic] = []
        self._machine = Machine()
        self._marks: list[tuple[int, State]] = [(0, self._machine.state())]
        if inside is not None:
            self._machine.go_back(inside)
            self._marks.append((0, inside))

    def run(self) -> File:
        index, fresh = 0, True
        while index < len(self.tokens):
            token = self.tokens[index]
            if fresh:
                self._marks[-1] = (index, self._machine.state())
            try:
                self._machine.feed(token)
            except Misfit:
                index = self._recover(index, self._explain(index))
            except Fault as fault:
                index = self._recover(index, fault.diagnostic)
            else:
                kind = token.type
                if kind == "LBRACE":
                    self._marks.append((0, self._machine.state()))
                elif kind == "RBRACE":
                    self._marks.pop()
                fresh = kind in ("END", "LBRACE")
                index += 1
                continue
            fresh = index < len(self.tokens) and self.tokens[index].type not in ("LBRACE", "RBRACE")
        file: File = self._machine.feed(mark("$END", self.source, len(self.source.text)))
        return file

    def _explain(self, index: int) -> Diagnostic | None:
        """The message for a token that does not fit; none where there are enough already, for it takes a while to find."""
        if len(self.diagnostics) > limits.DIAGNOSTICS:
            return None
        return explain(Place(self.tokens, index, self._marks[-1][0], self._machine.expected()))

    # ------------------------------------------------------------ after a mistake

    def _recover(self, index: int, found: Diagnostic | None) -> int:
        """Give up the statement around `index`; returns where to go on."""
        start = self._marks[-1][0]
        resume = self._resume(start, index)
        low = self.tokens[start - 1].span.end if start else 0
        high = self.tokens[resume].span.start if resume < len(self.tokens) else len(self.source.text)
        # What is already known to be wrong in this statement most likely caused this too.
        first = bisect_left(self.touched, low)
        if found is not None and (first == len(self.touched) or self.touched[first] > high):
            self.diagnostics.append(found)
        self._machine.go_back(self._marks[-1][1])
        if resume < len(self.tokens) and self.tokens[resume].type == "LBRACE":
            self._pretend(resume)
        return resume

    def _resume(self, start: int, index: int) -> int:
        """The position behind the broken statement, or of a `{` whose body can still be read, or of the `}` around it."""
        level = sum(_level(token.type) for token in self.tokens[start:index])
        top = len(self._marks) == 1
        position = index
        while position < len(self.tokens):
            kind = self.tokens[position].type
            if kind == "RBRACE":
                return position
            if kind == "LBRACE":
                if level == 0 and (not top or begins_block(self.tokens[start])):
                    return position
                position = self._matching(position)
            elif kind == "END" and (not top or self._ends_item(position)):
                return position + 1
            level += _level(kind)
            position += 1
        return position

    def _ends_item(self, position: int) -> bool:
        """Outside of blocks all that is not a block or a `use` belongs to the one mistake."""
        return position + 1 == len(self.tokens) or begins_item(self.tokens[position + 1])

    def _matching(self, position: int) -> int:
        depth = 0
        while True:
            kind = self.tokens[position].type
            depth += (kind == "LBRACE") - (kind == "RBRACE")
            if depth == 0:
                return position
            position += 1

    def _pretend(self, position: int) -> None:
        """Stand in for a head that could not be read, so that the mistakes in its body are found as well."""
        offset = self.tokens[position].span.start
        for kind in _FAKE_BLOCK if len(self._marks) == 1 else _FAKE_STATEMENT:
            self._machine.feed(mark(kind, self.source, offset))


def _level(kind: str) -> int:
    return (kind in ("LPAR", "LSQB")) - (kind in ("RPAR", "RSQB"))


def decode(data: bytes, name: str) -> tuple[Source, list[Diagnostic]]:
    """Bytes as a source. What is not UTF-8 is reported and replaced, so that a `Source` exists to point into."""
    if len(data) > 4 * limits.SOURCE_CHARACTERS:
        source = Source(name, "")
        return source, [Diagnostic("E0030", f"the file is longer than {limits.SOURCE_CHARACTERS} characters", Span(source, 0, 0))]
    try:
        return Source(name, data.decode("utf-8")), []
    except UnicodeDecodeError as error:
        before = len(data[: error.start].decode("utf-8"))
        source = Source(name, data.decode("utf-8", errors="replace"))
        place = Span(source, before, before + 1)
        label = f"byte {error.start} is 0x{data[error.start]:02x}"
        return source, [Diagnostic("E0035", "the file is not UTF-8 text", place, label, help="save it as UTF-8")]
