"""Write docs/systems.md, a page for each system in docs/systems/, docs/gallery.md and the pictures: `python scripts/system_pages.py`.

Everything in them comes from catalogue/: entries, programs, and what the last `make systems` recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pages import DOCS, cell, fenced, prose, write

from attn.catalogue import shown
from attn.catalogue.entries import Entry, System, file_name, systems

PICTURES = DOCS / "pictures" / "systems"
TABLE = """\
# Published systems

This page is written by `make systems`. It has every published system of the catalogue: {tally}. A system works where all of its checks
passed in the recorded run, on the program as it is now; `partly` says that a check failed or a part is missing, and its page says which.
`attn systems` prints this table, `attn systems ID` one system, and `attn new my_block --from ID` writes a copy to start from.
[The gallery](gallery.md) shows the pictures. Lines are those of the program and of what it calls in its
own file, without comments.

"""
GALLERY = """\
# Gallery

Every system that is a program here, as `attn systems ID -o FILE.svg` draws it. Blocks inside of a large one are single boxes, which
`attn graph` opens. This page is written by `make systems`; [the table](systems.md) has the rest.
"""


def pages() -> dict[Path, str]:
    """The text of every page by its path."""
    found = {DOCS / "systems.md": table(), DOCS / "gallery.md": gallery()}
    return {**found, **{page_of(each): page(each) for each in worked()}}


def pictures() -> dict[Path, str]:
    """The text of every picture by its path."""
    return {picture_of(each): shown.picture(entry) for each in worked() if (entry := each.entry) is not None}


def worked() -> list[System]:
    return [each for each in systems() if each.entry is not None]


def page_of(system: System) -> Path:
    return DOCS / "systems" / f"{file_name(system.id)}.md"


def picture_of(system: System) -> Path:
    return PICTURES / f"{file_name(system.id)}.svg"


# ---------------------------------------------------------------- the table and the gallery


def table() -> str:
    rows = shown.rows()
    here = [row for row in rows if row["program"]]
    rest = [row for row in rows if not row["program"]]
    return "\n".join([TABLE.format(tally=shown.tally(rows)) + _table(here, _here), "\n## Not yet\n", _table(rest, _not_yet), ""])


def _table(rows: list[dict[str, Any]], line: Any) -> str:
    heads = {_here: ("system", "title", "year", "kind", "program", "lines", "checks", "state"), _not_yet: ("id", "title", "year", "kind")}
    head = heads[line]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(line(row))} |" for row in rows)])


def _here(row: dict[str, Any]) -> list[str]:
    checks = f"{row['passed']} of {row['checks']}" if row["checks"] else "none"
    link = f"[{row['id']}](systems/{file_name(row['id'])}.md)"
    return [
        link,
        cell(row["title"]),
        str(row["year"]),
        row["kind"],
        f"[`{row['program']}`](../{row['file']})",
        str(row["lines"]),
        checks,
        row["state"],
    ]


def _not_yet(row: dict[str, Any]) -> list[str]:
    return [row["id"], cell(row["title"]), str(row["year"]), row["kind"]]


def gallery() -> str:
    return "\n".join([GALLERY, *(_hung(each) for each in worked())])


def _hung(system: System) -> str:
    name = file_name(system.id)
    title = f"[{prose(system.row.title)}](systems/{name}.md), {system.row.year}."
    return f"## {system.id}\n\n{title}\n\n![{system.id}](pictures/systems/{name}.svg)\n"


# ---------------------------------------------------------------- one system


def page(system: System) -> str:
    """The page of a system: its paper, picture, program, size, and what was verified."""
    assert system.entry is not None
    record = shown.one(system.id)
    parts = [
        f"# {prose(system.row.title)}",
        f"{prose(record['authors'])}, {system.row.year}. {_state(record)}",
        f"![{system.id}](../pictures/systems/{file_name(system.id)}.svg)",
        *_related(system.entry),
        "## The program",
        _standing(record),
        fenced("attn", record["text"]),
        _size(record["size"]),
        *_list("## What stands in the way", record["reasons"]),
        *_list("## What is verified", [check["sentence"] for check in record["checked"] if check["holds"]]),
        *_list("## What is not checked", [f"{each['what']} {each['why']}" for each in record["not_checked"]]),
        *_list("## Where the released code differs from the paper", record["differs"]),
        *_list("## What is a reconstruction", record["reconstructed"]),
        f"To start from it, write a copy: `attn new my_block --from {system.id}`. [All systems](../systems.md)",
    ]
    return "\n\n".join(parts) + "\n"


def _state(record: dict[str, Any]) -> str:
    checks = f"{record['passed']} of {record['checks']} checks passed" if record["checks"] else "it was never checked"
    return f"`{record['id']}` {'works' if record['state'] == 'works' else 'works partly'}: {checks}."


def _standing(record: dict[str, Any]) -> str:
    return f"`{record['program']}` stands in [{record['file']}](../../{record['file']}); {record['lines']} lines without comments."


def _related(entry: Entry) -> list[str]:
    known = {each.id for each in worked()}

    def named(ids: list[str]) -> str:
        return ", ".join(f"[{id}]({file_name(id)}.md)" if id in known else id for id in ids)

    lines = [f"{words}: {named(ids)}." for words, ids in (("Built from", entry.built_from), ("Resembles", entry.resembles)) if ids]
    return [" ".join(lines)] if lines else []


def _size(size: dict[str, Any]) -> str:
    bound = ", ".join(f"`{name}={value}`" for name, value in size["bound"].items()) or "the defaults"
    counted = f"{shown.amount(size['parameters'])} parameters, {shown.amount(size['flops'])} FLOPs for one example"
    return f"With {bound}: {counted} (a multiplication and an addition are two)."


def _list(title: str, sentences: list[str]) -> list[str]:
    return [title, "\n".join(f"* {prose(sentence)}" for sentence in sentences)] if sentences else []


def rewrite() -> None:
    """Write every page and picture that differs, and remove those of systems that are gone."""
    made = {**pages(), **pictures()}
    for path, text in made.items():
        write(path, text)
    for path in [*(DOCS / "systems").glob("*.md"), *PICTURES.glob("*.svg")]:
        if path not in made:
            path.unlink()


if __name__ == "__main__":
    rewrite()
