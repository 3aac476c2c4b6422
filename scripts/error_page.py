"""Write docs/errors.md from the catalogue of diagnostics and the expected messages of the tests: `python scripts/error_page.py`."""

from __future__ import annotations

import re
from pathlib import Path

from pages import DOCS, ROOT, fenced, prose, write

from attn.dsl.codes import CODES
from attn.dsl.explanation import Explanation

PATH = DOCS / "errors.md"
GOLDEN = ROOT / "tests" / "golden"
FOLDERS = ("errors", "checks", "binding", "running", "weights", "pruning", "probes", "inspect", "doubts", "backends")
LONGEST = 30
HEAD = """\
# Errors and warnings

This page is written by `python scripts/error_page.py`. `attn doc CODE` prints one entry. A message names the file, the line, the exact
place, the axes and sizes known there, and the likely fix. One run tells all mistakes of a file, except in what depends on a mistake: one
mistake gives one message. A program with errors is not compiled; a warning is a doubt, and the program is compiled all the same.
"""
GROUPS = {
    "E00": "Spelling and files",
    "E01": "Names",
    "E02": "Axes and sizes",
    "E03": "Calls and operators",
    "E04": "Weights",
    "E05": "Structure and binding",
    "E06": "Running",
    "E07": "Files of weights and graphs",
    "E08": "Pruning",
    "W08": "Doubts",
    "E09": "Verifying",
    "E10": "The catalogue of systems",
}


def page() -> str:
    cases = _cases()
    parts = [HEAD]
    group = ""
    for code, explanation in CODES.items():
        if code[:3] != group:
            group = code[:3]
            parts.append(f"## {GROUPS[group]}\n")
        parts.append(_entry(explanation, cases.get(code)))
    return "\n".join(parts)


def _entry(explanation: Explanation, case: tuple[str, str] | None) -> str:
    parts = [f"### {explanation.code}: {prose(explanation.title)}", prose(explanation.text)]
    for word, piece in (("Wrong", explanation.wrong), ("Right", explanation.right)):
        if piece:
            parts.append(f"{word}:\n\n{fenced('text', piece)}")
    if case is not None:
        source, message = case
        parts += ["For example, this program", fenced("text", source), "gets this message:", fenced("text", message)]
    return "\n\n".join(parts) + "\n"


def _cases() -> dict[str, tuple[str, str]]:
    """A short program and its message for every code that the tests have one for."""
    found: dict[str, tuple[str, str]] = {}
    for path in [path for folder in FOLDERS for path in sorted((GOLDEN / folder).glob("[EW]*.txt"))]:
        code = path.stem[:5]
        case = _case(path, code)
        if case is not None and code not in found:
            found[code] = case
    return found


def _case(path: Path, code: str) -> tuple[str, str] | None:
    """The source and the message of a golden file, where it is one short file with nothing special about it."""
    match = re.fullmatch(r"---- source\n(.*)---- output\n(.*)", path.read_text(encoding="utf-8"), re.DOTALL)
    if match is None or re.search(r"^---- ", match[1], re.MULTILINE) or match[1].count("\n") > LONGEST:
        return None
    message = next((part for part in re.split(r"\n\n(?=error|warning|\d+ )", match[2]) if f"[{code}]" in part), None)
    if message is None:
        return None
    source = match[1] if "-->" in message else "\n".join(line for line in match[1].splitlines() if not line.startswith("# bind:"))
    return source, message


if __name__ == "__main__":
    write(PATH, page())
