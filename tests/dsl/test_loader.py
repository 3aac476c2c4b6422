"""Modules are found by name alone, read once, and tied to the names that use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn.dsl import limits
from attn.dsl.diagnostics import Fault
from attn.dsl.loader import Library, load
from attn.dsl.source import Source

BLOCK = "block {0}(x: [*]) -> [*] {{ return x }}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "std/heads.attn": BLOCK.format("mha") + BLOCK.format("mqa"),
        "layers.attn": "use std.heads (mha)\n" + BLOCK.format("ffn"),
        "pkg/sub.attn": "use layers (ffn)\n" + BLOCK.format("deep"),
        "broken.attn": BLOCK.format("good") + "block bad(\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def library(root: Path) -> Library:
    return Library([root], std=root / "std")


def source(text: str) -> Source:
    return Source("text", text)


def test_scope_holds_own_and_used_blocks(root: Path) -> None:
    text = "use std.heads (mha)\nuse layers (ffn)\nuse pkg.sub (deep)\n" + BLOCK.format("top")
    unit, diagnostics = library(root).load(source(text))
    assert diagnostics == []
    assert {name: (home.source.name, block.name) for name, (home, block) in unit.scope.items()} == {
        "mha": ("std.heads", "mha"),
        "ffn": (str(root / "layers.attn"), "ffn"),
        "deep": (str(root / "pkg" / "sub.attn"), "deep"),
        "top": ("text", "top"),
    }
    assert list(unit.blocks) == ["top"]
    ffn, _ = unit.scope["ffn"]
    assert ffn.scope["mha"] == unit.scope["mha"]
    assert unit.scope["top"][0] is unit


def test_files_of_the_library_are_marked(root: Path) -> None:
    unit, _ = library(root).load(source("use std.heads (mha)\nuse layers (ffn)\n"))
    assert [used.source.library for used in unit.uses] == [True, False]


def test_every_file_is_read_once(root: Path) -> None:
    shelf = library(root)
    first, _ = shelf.load(source("use std.heads (mha)\nuse layers (ffn)\n"))
    second, _ = shelf.load(source("use pkg.sub (deep)\n"))
    assert first.scope["mha"][0] is first.scope["ffn"][0].scope["mha"][0]
    assert second.scope["deep"][0].scope["ffn"] == first.scope["ffn"]


def test_a_used_file_tells_its_mistakes_once(root: Path) -> None:
    (root / "other.attn").write_text("use broken (good)\n" + BLOCK.format("o"), encoding="utf-8")
    unit, diagnostics = library(root).load(source("use broken (good, bad)\nuse other (o)\n"))
    # That `bad` is missing follows from the mistake in its file, and is not told again.
    assert [(d.code, Path(d.span.source.name).name) for d in diagnostics] == [("E0002", "broken.attn")]
    assert list(unit.scope) == ["good", "o"]


def test_used_names_do_not_pass_on(root: Path) -> None:
    _, diagnostics = library(root).load(source("use layers (mha)\n"))
    assert [d.code for d in diagnostics] == ["E0041"]


def test_one_module_by_its_name(root: Path) -> None:
    unit, diagnostics = library(root).module("std.heads")
    assert (list(unit.blocks), diagnostics) == (["mha", "mqa"], [])
    for wrong in ("std.nothing", "../layers", "std", "", "layers; use x", "a b"):
        with pytest.raises(Fault) as fault:
            library(root).module(wrong)
        assert fault.value.diagnostic.code == "E0040"
    assert library(root).names() == ["std.heads", "broken", "layers"]


def test_the_files_own_folder_is_the_default_root(root: Path) -> None:
    path = root / "main.attn"
    path.write_text("use layers (ffn)\n", encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace("std.heads", "heads")
    unit, diagnostics = load(Source(str(path), text))
    assert list(unit.scope) == ["ffn"]
    # The real library has no say in whether `ffn` is found.
    assert all("std" in d.title or d.span.source.name != str(path) for d in diagnostics)
    assert [d.code for d in load(Source("no file", text))[1]] == ["E0040"]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "pkg/sub", "layers.attn", "..", ".layers"])
def test_paths_are_not_names(root: Path, path: str) -> None:
    _, diagnostics = Library([root / "pkg"], std=root / "std").load(source(f"use {path} (ffn)\n"))
    assert diagnostics != []
    assert all(d.code.startswith("E00") for d in diagnostics)


def test_links_may_stay_inside_and_not_lead_outside(root: Path) -> None:
    (root / "pkg" / "inside.attn").symlink_to(root / "pkg" / "sub.attn")
    (root / "pkg" / "outside.attn").symlink_to(root / "layers.attn")
    (root / "pkg" / "folder").symlink_to(root)
    shelf = Library([root / "pkg", root], std=root / "std")
    assert shelf.load(source("use inside (deep)\n"))[1] == []
    for text in ("use outside (ffn)\n", "use folder.layers (ffn)\n"):
        assert [d.code for d in shelf.load(source(text))[1]] == ["E0046"]


def test_a_folder_is_no_module(root: Path) -> None:
    (root / "odd.attn").mkdir()
    assert [d.code for d in library(root).load(source("use odd (x)\n"))[1]] == ["E0040"]


def chain(root: Path, count: int) -> None:
    for i in range(count):
        use = f"use m{i + 1} (b{i + 1})\n" if i + 1 < count else ""
        (root / f"m{i}.attn").write_text(use + BLOCK.format(f"b{i}"), encoding="utf-8")


@pytest.mark.parametrize("warm", [False, True])
def test_depth_of_modules_is_limited(root: Path, warm: bool) -> None:
    """The answer does not depend on what was read before."""
    chain(root, limits.USE_DEPTH + 1)
    shelf = library(root)
    if warm:
        assert shelf.load(source("use m5 (b5)\n"))[1] == []
    for _ in range(2):
        assert [d.code for d in shelf.load(source("use m1 (b1)\n"))[1]] == []
        assert [d.code for d in shelf.load(source("use m0 (b0)\n"))[1]] == ["E0045"]


def test_number_of_files_is_limited(root: Path) -> None:
    for i in range(limits.USED_FILES + 1):
        (root / f"n{i}.attn").write_text(BLOCK.format(f"b{i}"), encoding="utf-8")
    uses = [f"use n{i} (b{i})\n" for i in range(limits.USED_FILES + 1)]
    assert library(root).load(source("".join(uses[:-1])))[1] == []
    assert [d.code for d in library(root).load(source("".join(uses)))[1]] == ["E0045"]


def test_a_circle_is_told_once_from_wherever_it_is_entered(root: Path) -> None:
    for i in range(3):
        (root / f"c{i}.attn").write_text(f"use c{(i + 1) % 3} (b{(i + 1) % 3})\n" + BLOCK.format(f"b{i}"), encoding="utf-8")
    shelf = library(root)
    for i in (0, 1, 2, 0):
        diagnostics = shelf.load(source(f"use c{i} (b{i})\n"))[1]
        assert [d.code for d in diagnostics] == ["E0042"]
        assert diagnostics[0].notes == (f"the circle: `c{i}` -> `c{(i + 1) % 3}` -> `c{(i + 2) % 3}` -> `c{i}`",)
