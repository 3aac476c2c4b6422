"""The parse tables of `grammar.lark`: read from `grammar.json`, where they lie ready, or computed where those do not fit.

Lark needs about 200 ms to compute them and a few to read them. `python -m attn.dsl.tables` writes the file anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from .build import Builder

_HERE = Path(__file__).parent


def grammar_text() -> str:
    return (_HERE / "grammar.lark").read_text(encoding="utf-8")


def stamp(grammar: str) -> str:
    """What the stored tables were made from: the grammar, and the Lark that read it."""
    return f"{lark.__version__} {hashlib.sha256(grammar.encode()).hexdigest()}"


def compute(grammar: str, builder: Builder) -> lark.Lark:
    return lark.Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False, transformer=builder)


def dump(grammar: str) -> str:
    """The text of `grammar.json`."""
    parser: Any = lark.Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False)
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    return json.dumps({"stamp": stamp(grammar), "data": data, "memo": memo}, separators=(",", ":"), sort_keys=True) + "\n"


def _with_int_keys(table: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in table.items()}


def _restore(stored: dict[str, Any], builder: Builder) -> lark.Lark:
    """Undo what JSON does to numbers as keys, and hand the tables to Lark."""
    tables = stored["data"]["parser"]["parser"]
    tables["states"] = _with_int_keys(tables["states"])
    # The way Lark's own standalone parsers load; it has no types.
    load: Callable[..., lark.Lark] = vars(lark.Lark)["_load_from_dict"].__get__(None, lark.Lark)
    return load(stored["data"], _with_int_keys(stored["memo"]), transformer=builder)


@cache
def parser() -> tuple[lark.Lark, Builder]:
    """The parser and its callbacks, made at the first need. They are shared: parse one text at a time."""
    builder = Builder()
    grammar, path = grammar_text(), _HERE / "grammar.json"
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["stamp"] == stamp(grammar):
            return _restore(stored, builder), builder
    return compute(grammar, builder), builder


if __name__ == "__main__":
    (_HERE / "grammar.json").write_text(dump(grammar_text()), encoding="utf-8")
