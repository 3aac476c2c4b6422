"""Pages are run: their programs are checked, their Python is executed, their commands are called, and the outputs compared."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from pages import ROOT, Fence, fences

import attn
from attn.cli import main
from attn.compiler.program import read_source
from attn.dsl.format import format_text
from attn.dsl.render import render_all

VERSION = "attn 1\n"
# Seconds differ from run to run.
TIMES = re.compile(r"\d+\.\d+ s\b")


class Page:
    """A page and what its Python has named so far. Files are written into the current folder.

    With `update` outputs that differ are written into the page instead of refused.
    """

    def __init__(self, path: Path, update: bool = False) -> None:
        self.path = path
        self.update = update
        self.text = path.read_text(encoding="utf-8")
        self.fences = fences(self.text)
        self.changes: list[tuple[tuple[int, int], str]] = []
        self.names: dict[str, Any] = {"__name__": "page"}
        self.printed = ""

    def run(self) -> None:
        before = ""
        for fence in self.fences:
            handle = {"attn": self.program, "python": self.python, "console": self.console}.get(fence.kind)
            if fence.kind == "text" and fence.follows and before == "python":
                if self.differs(self.printed, fence.body, fence):
                    self.changes.append((fence.place, _plain(self.printed)))
                self.printed = ""
            elif handle is not None:
                if fence.kind != "python" or not fence.follows:
                    self.all_shown(fence)
                handle(fence)
            before = fence.kind
        assert not self.printed, f"{self.path.name} does not show: {self.printed}"
        for (start, end), new in reversed(self.changes):
            self.text = self.text[:start] + new + self.text[end:]
        if self.changes:
            self.path.write_text(self.text, encoding="utf-8")

    def all_shown(self, fence: Fence) -> None:
        assert not self.printed, f"{self.path.name}, before line {fence.line}, does not show: {self.printed}"

    def program(self, fence: Fence) -> None:
        """`attn`: without mistakes, and formatted; `attn wrong`: with mistakes; a file name says where it goes."""
        file = fence.file
        if file is not None:
            Path(file).write_text(fence.body, encoding="utf-8")
        source = attn.text(fence.body, file or f"{self.path.name}:{fence.line}") if file is None else file
        found = attn.check(source)
        if "wrong" in fence.words:
            assert found, f"{self.path.name}:{fence.line}: this has no mistake"
            return
        assert found == [], f"{self.path.name}:{fence.line}\n{render_all(found, color=False)}"
        formatted = format_text(read_source(source))
        assert (fence.body if fence.body.startswith(VERSION) else f"{VERSION}\n{fence.body}") == formatted

    def python(self, fence: Fence) -> None:
        code = compile("\n" * fence.line + fence.body, str(self.path), "exec")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, self.names)
        self.printed += out.getvalue()

    def console(self, fence: Fence) -> None:
        """Lines that begin with `$` are commands; what stands below each is its output."""
        new, changed = "", False
        for line, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", fence.body, re.MULTILINE):
            found = call(shlex.split(line, comments=True))
            differs = self.differs(found, output, fence)
            changed |= differs
            new += f"$ {line}\n{_plain(found) if differs else output}"
        if changed:
            self.changes.append((fence.place, new))

    def differs(self, found: str, shown: str, fence: Fence) -> bool:
        """Whether an output has to be written anew. `...` alone on a line stands for any lines; without `update` a difference fails."""
        parts = [re.escape(part) for part in re.split(r"^ *\.\.\. *\n", _plain(shown, TIMES), flags=re.MULTILINE)]
        if re.fullmatch(r"(?:.*\n)*".join(parts), _plain(found, TIMES)):
            return False
        assert self.update or _plain(found, TIMES) == _plain(shown, TIMES), f"{self.path.name}:{fence.line}"
        return True


def _plain(text: str, vary: re.Pattern[str] | None = None) -> str:
    """Without blank lines around it, and without the numbers that vary."""
    lines = (vary.sub("0.00 s", text) if vary else text).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def call(words: list[str]) -> str:
    """What a command prints. Only these are known: a page that shows another one fails."""
    if words[0] == "attn":
        return CliRunner().invoke(main, words[1:]).output
    if words[0] == "python" and words[1].endswith(".py"):
        own = Path(words[1])
        return script(own if own.exists() else ROOT / own, words[2:])
    if words == ["make", "demo"]:
        return script(ROOT / "examples" / "minilm.py", [])
    raise AssertionError(f"cannot run: {shlex.join(words)}")


def script(path: Path, arguments: list[str]) -> str:
    """What the `main` of a file prints."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    out = io.StringIO()
    sys.path.insert(0, str(path.parent))  # as Python does for a file that is run
    try:
        with contextlib.redirect_stdout(out):
            spec.loader.exec_module(module)
            module.main(arguments)
    finally:
        del sys.modules[path.stem]
        sys.path.remove(str(path.parent))
    return out.getvalue()
