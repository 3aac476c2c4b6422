"""Write docs/library.md from the library itself: `python scripts/library_page.py`."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from pages import DOCS, cell, fenced, prose, write

from attn.compiler import describe
from attn.compiler.program import load

PATH = DOCS / "library.md"
HEAD = """\
# The library

This page is written by `python scripts/library_page.py` from the library. The library is written in the language; its files are in
[`stdlib/`](../stdlib).

```attn
use std.channel (se)

block twice(x: [*, C, H, W]) -> [*, C, H, W] {
    return x |> se(reduction=8) as first |> se as second
}
```

From Python a block is an attribute: `attn.std.channel.se(C=64)` compiles it. `attn show std.channel:se` prints what is known about one,
costs included, and `attn graph std.layers:encoder -o encoder.svg` draws one:

![A layer of a transformer encoder: norm, attention, sum, norm, feed-forward part, sum](pictures/encoder.svg)

`attn new my_block --from cbam` writes a copy of a block to start from. Blocks that are published systems are listed in
[the table of systems](systems.md), with what was verified of each; whole networks made of the library stand there too, as
`std.systems.NAME`, and in [`examples/systems/`](../examples/systems).

The weights listed are those with every parameter at its default; where a parameter has none, it stands in the sizes.
"""


def page() -> str:
    modules = [(module, list(rows)) for module, rows in groupby(describe.list_library(), key=lambda row: row["module"])]
    return "\n".join([HEAD, *(_line(*each) for each in modules), "", *(_module(*each) for each in modules)])


def _line(module: str, rows: list[dict[str, Any]]) -> str:
    return f"* [{module}](#{module.replace('.', '')}): " + " ".join(f"[`{row['name']}`](#{row['name']})" for row in rows)


def _module(module: str, rows: list[dict[str, Any]]) -> str:
    return "\n".join([f"## {module}", "", *(_block(module, row["name"]) for row in rows)])


def _block(module: str, name: str) -> str:
    program = load(module, name)
    record = describe.show_block(program, {})
    parts = [f"### {name}", fenced("text", program.block.head.text.strip().removesuffix("{").strip()), prose(record["doc"])]
    if record["weights"]:
        parts.append("\n".join(["| weight | stored as |", "|---|---|", *map(_weight, record["weights"])]))
    return "\n\n".join(parts) + "\n"


def _weight(weight: dict[str, Any]) -> str:
    kind = "" if weight["kind"] == "param" else f" ({weight['kind']})"
    return f"| `{weight['name']}` | {cell('[' + ', '.join(weight['shape']) + ']')}{kind} |"


if __name__ == "__main__":
    write(PATH, page())
