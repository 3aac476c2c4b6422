"""The data of the catalogue, read and checked: a row for every published system, an entry for those that are worked out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..dsl.closest import closest
from ..dsl.diagnostics import AttnError, Diagnostic
from ..dsl.source import NOWHERE

HERE = Path(__file__).parent
Kind = Literal["analysis", "block", "network", "rule", "survey", "training"]
Level = Literal["high", "medium", "low"]
Value = int | float | bool | str | list[int] | list[float] | list[str]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NotChecked(Model):
    """What a system promises and no test shows, and why none does."""

    what: str = Field(pattern=r"\.$")
    why: str = Field(pattern=r"\.$")


class Entry(Model):
    """What is said of a system that is worked out.

    `blocks` are its programs, `MODULE:BLOCK`, the system itself first; `bind` and `inputs` are the sizes, parameters and optional tensors
    at which that one is counted, and `picture` has those that are smaller in its picture. `missing` are parts that it still needs.
    """

    id: str
    authors: str
    blocks: list[str] = Field(min_length=1)
    bind: dict[str, Value] = {}
    inputs: list[str] = []
    picture: dict[str, Value] = {}
    built_from: list[str] = []
    resembles: list[str] = []
    differs: list[str] = []
    reconstructed: list[str] = []
    missing: list[str] = []
    not_checked: list[NotChecked] = []


class Row(Model):
    """A published system: facts about the paper. `priority` 1 is worked on first; `confidence` is how sure its description is."""

    id: str
    n: int
    title: str
    year: int
    kind: Kind
    priority: int
    confidence: Level


class System(Model):
    """A row with its entry, where there is one."""

    row: Row
    entry: Entry | None = None

    @property
    def id(self) -> str:
        return self.row.id


def file_name(id: str) -> str:
    """What files of a system are called, without their ending: its id with `_` for `-`."""
    return id.replace("-", "_")


@cache
def systems() -> tuple[System, ...]:
    """Every system, in the order of the index."""
    rows = [Row(**row) for row in _read(HERE / "index.toml")["system"]]
    entries = {path.stem: _entry(path) for path in sorted((HERE / "entries").glob("*.toml"))}
    return tuple(System(row=row, entry=entries.get(file_name(row.id))) for row in rows)


def _entry(path: Path) -> Entry:
    try:
        return Entry(**_read(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def system(id: str) -> System:
    """The system of an id; AttnError (E1001) with the nearest ids where there is none."""
    found = {each.id: each for each in systems()}
    if id not in found:
        raise AttnError([Diagnostic("E1001", f"the catalogue has no system `{id}`", NOWHERE, help=_help(id, found))])
    return found[id]


def worked(id: str) -> Entry:
    """The entry of a system; AttnError (E1001) where there is none yet."""
    found = system(id)
    if found.entry is None:
        raise AttnError(
            [Diagnostic("E1001", f"there is no program of `{id}` yet", NOWHERE, help="`attn systems --state works` lists those that work")]
        )
    return found.entry


def _help(id: str, ids: Iterable[str]) -> str:
    """What the id may have meant: the closest one, and those that have it as a part."""
    wanted = id.lower().replace("_", "-")
    near = [*filter(None, [closest(wanted, ids)]), *(each for each in ids if len(wanted) > 1 and (wanted in each or each in wanted))]
    names = ", ".join(f"`{each}`" for each in list(dict.fromkeys(near))[:5])
    return f"did you mean {names}?" if names else "`attn systems` lists all"


def entry_of(target: str) -> System | None:
    """The system that has this block (`std.channel:se`) as one of its programs: as its first one before any other."""
    worked = [(each, each.entry.blocks.index(target)) for each in systems() if each.entry is not None and target in each.entry.blocks]
    return min(worked, key=lambda pair: pair[1])[0] if worked else None
