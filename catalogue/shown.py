"""What `attn systems` tells: plain records that print as text or as JSON. No torch."""

from __future__ import annotations

from typing import Any

from ..compiler.cost import graph_cost, readable
from ..compiler.graph import Graph
from ..compiler.prune.sites import whole_block
from ..compiler.sizes import Size
from .entries import Entry, System, system
from .programs import load_block, pieces
from .record import lines_of, recorded, standing, standings

Data = dict[str, Any]
LARGEST_PICTURE = 50_000
"""Characters of an SVG; more is about a hundred boxes."""
COLUMNS = ("id", "state", "checks", "lines", "year", "kind", "program", "title")


def rows(kind: str | None = None, state: str | None = None) -> list[Data]:
    """Every system, or those of a kind or state: facts, state, program and the number of its lines, checks that passed."""
    found: list[Data] = []
    for each, now in standings():
        if kind in (None, each.row.kind) and state in (None, now.state):
            found.append({**each.row.model_dump(), **now.model_dump(), **_program(each)})
    return found


def _program(found: System) -> Data:
    face = found.entry.blocks[0] if found.entry is not None else None
    return {"program": face, "file": face and file_of(face), "lines": lines_of(found)}


def file_of(target: str) -> str:
    """Where a block stands in the repository."""
    parts = target.partition(":")[0].split(".")
    return f"examples/systems/{parts[2]}.attn" if parts[1] == "systems" else f"stdlib/{parts[1]}.attn"


def cells(row: Data) -> list[str]:
    """A row as it stands in a table."""
    checks = f"{row['passed']}/{row['checks']}" if row["checks"] else ""
    shown = {**row, "checks": checks, "lines": row["lines"] or "", "program": row["program"] or ""}
    return [str(shown[column]) for column in COLUMNS]


def rows_text(rows: list[Data]) -> str:
    """The table as plain text, a line a system."""
    table = [list(COLUMNS), *map(cells, rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(COLUMNS))]
    lines = ["  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return "\n".join(lines)


def tally(rows: list[Data]) -> str:
    """`2 work, 1 partly, 116 not yet`."""
    count = {state: sum(row["state"] == state for row in rows) for state in ("works", "partly", "not yet")}
    return f"{count['works']} work, {count['partly']} partly, {count['not yet']} not yet"


# ---------------------------------------------------------------- one system


def one(id: str) -> Data:
    """All that is known of a system. Raises AttnError for an unknown id."""
    found = system(id)
    run = recorded().systems.get(id)
    record = {**found.row.model_dump(), **standing(found).model_dump(), **_program(found)}
    record["checked"] = [{**check.model_dump(), "holds": check.holds} for check in run.checks] if run and found.entry else []
    return {**record, **_entry(found)}


def _entry(found: System) -> Data:
    if found.entry is None:
        return {}
    kept = found.entry.model_dump(exclude={"id"})
    return {**kept, "text": program_text(found.entry), "size": size(found.entry)}


def program_text(entry: Entry) -> str:
    """The blocks of a system with the comments above them."""
    return "\n\n".join(whole_block(piece.block).text for piece in pieces(entry))


def size(entry: Entry) -> Data:
    """Parameters, and operations for one example of a batch, of the first block at the sizes of the entry; formulas where some are open."""
    cost = graph_cost(load_block(entry.blocks[0]).graph(entry.bind, entry.inputs, checking=True))
    flops = cost.flops.substitute({"*": 1})
    return {"bound": dict(entry.bind), "parameters": _number(cost.parameters), "flops": _number(flops)}


def _number(size: Size) -> Data:
    return {"formula": str(readable(size)), "value": size.integer()}


def drawn(entry: Entry) -> Graph:
    """The graph of the picture: the first block at the sizes of the entry, as small as its picture wants it."""
    return load_block(entry.blocks[0]).graph({**entry.bind, **entry.picture}, entry.inputs, checking=True)


def picture(entry: Entry) -> str:
    """The SVG of a system: blocks are open as deep as leaves it a picture that can be looked at, the program's own lines always."""
    from ..compiler.view import render_svg

    graph = drawn(entry)
    found = render_svg(graph, 0)
    for depth in (1, 2, None):
        deeper = render_svg(graph, depth)
        if len(deeper) > LARGEST_PICTURE:
            break
        found = deeper
    return found


def cited(target: str) -> Data | None:
    """The paper of a library block, and the systems it resembles or is built from; None where it is no system's program."""
    from .entries import entry_of

    found = entry_of(target)
    if found is None or found.entry is None:
        return None
    paper = {"id": found.id, "title": found.row.title, "year": found.row.year}
    return {**paper, **found.entry.model_dump(include={"authors", "built_from", "resembles"})}


def one_text(record: Data) -> str:
    """The record as `attn systems ID` prints it."""
    facts = {
        "title": record["title"],
        "authors": record.get("authors"),
        "year": record["year"],
        "kind": record["kind"],
        "state": record["state"] + (f", {record['passed']} of {record['checks']} checks passed" if record["checks"] else ""),
        "program": f"{record['program']}, {record['lines']} lines in {record['file']}" if record["program"] else None,
        "picture": f"attn systems {record['id']} -o {record['id']}.svg" if record["program"] else None,
        **_sizes(record.get("size")),
        "built from": ", ".join(record.get("built_from", [])),
        "resembles": ", ".join(record.get("resembles", [])),
    }
    lines = [record["id"], "", *(f"{name:<12}{value}" for name, value in facts.items() if value)]
    if record.get("text"):
        lines += ["", *(f"    {line}".rstrip() for line in record["text"].splitlines())]
    lines += _said("what stands in the way", record["reasons"])
    lines += _said("verified", [check["sentence"] for check in record["checked"] if check["holds"]])
    lines += _said("not checked", [f"{each['what']} {each['why']}" for each in record.get("not_checked", [])])
    lines += _said("where the released code differs from the paper", record.get("differs", []))
    lines += _said("reconstructed", record.get("reconstructed", []))
    return "\n".join(lines)


def _sizes(size: Data | None) -> dict[str, str]:
    if size is None:
        return {}
    bound = ", ".join(f"{name}={value}" for name, value in size["bound"].items())
    return {"sizes": bound, "parameters": amount(size["parameters"]), "flops": amount(size["flops"])}


def amount(found: Data) -> str:
    """A number, or the formula where a size is open."""
    return f"{found['value']:,}" if found["value"] is not None else str(found["formula"])


def _said(title: str, sentences: list[str]) -> list[str]:
    return ["", title, *(f"  * {sentence}" for sentence in sentences)] if sentences else []
