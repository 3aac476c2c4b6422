"""Write docs/operators.md from the table of operators: `python scripts/operator_page.py`."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from pages import DOCS, cell, fenced, prose, write

from attn import text
from attn.compiler import describe
from attn.compiler.ops.base import Operator
from attn.compiler.program import read_source
from attn.dsl.format import format_text

PATH = DOCS / "operators.md"
HEAD = """\
# Operators

This page is written by `python scripts/operator_page.py` from the table that the checker reads. `attn doc NAME` prints one entry.

How to read a call: `X` and `Y` stand for axes, `X Y` for one axis or several, `X -> Y` for axes and what becomes of them. What stands in
brackets may be left out, and so may every option that ends in `=`. The first argument may come through `|>`. An operator with weights that
is written without its first argument is a layer.
"""
KINDS = {
    "axes_list": "axes, a list for each term",
    "bool": "true, false",
    "bool|tensor": "true, false, or a tensor",
    "by": "a word, or a layer",
    "float": "a number",
    "init": "an initial value",
    "int": "a whole number",
    "ints": "whole numbers",
    "padding": "a number, a list, or a word",
}


def page() -> str:
    rows = describe.operators()
    families = [(family, list(group)) for family, group in groupby(rows, key=lambda row: row.family)]
    return "\n".join([HEAD, *(_line(*each) for each in families), "", *(_family(*each) for each in families)])


def _line(family: str, rows: list[Operator]) -> str:
    names = " ".join(f"[`{row.name}`](#{row.name})" for row in rows)
    return f"* [{family}](#operators-{family}): {names}"


def _family(family: str, rows: list[Operator]) -> str:
    return "\n".join([f"## Operators: {family}", "", *(_operator(describe.doc_operator(row)) for row in rows)])


def _operator(record: dict[str, Any]) -> str:
    parts = [f"### {record['name']}", fenced("text", record["call"]), prose(record["doc"].strip())]
    if record["options"]:
        parts.append("\n".join(["| option | takes | without it | |", "|---|---|---|---|", *map(_option, record["options"])]))
    if record["examples"]:
        parts.append(fenced("attn", _example(record["examples"][0])))
    return "\n\n".join(parts) + "\n"


def _option(option: dict[str, Any]) -> str:
    takes = ", ".join(f"`{word}`" for word in option["words"]) or cell(str(KINDS.get(option["kind"], option["kind"])))
    default = f"`{option['default']}`" if option["default"] is not None else ""
    return f"| `{option['name']}` | {takes} | {default} | {cell(option['doc'])} |"


def _example(program: str) -> str:
    lines = [line for line in program.strip().splitlines() if not line.startswith("# bind")]
    return format_text(read_source(text("\n".join(lines) + "\n"))).removeprefix("attn 1\n").strip()


if __name__ == "__main__":
    write(PATH, page())
