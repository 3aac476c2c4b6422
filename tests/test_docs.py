"""The pages tell the truth: what they show runs and prints what they say, and the written ones are fresh."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import error_page
import library_page
import operator_page
import pictures
import pytest
import system_pages
import torch
from docs_support import Page
from pages import DOCS, ROOT, write

from attn.compiler.describe import list_library

WRITTEN = (operator_page, library_page, error_page)
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, from which modules can be imported; they are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(str(tmp_path))]:
        del sys.modules[name]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
@pytest.mark.usefixtures("desk")
def test_a_page_shows_what_happens(path: Path, request: pytest.FixtureRequest) -> None:
    torch.manual_seed(0)
    Page(path, update=bool(request.config.getoption("--update-golden"))).run()


@pytest.mark.parametrize("module", WRITTEN, ids=lambda module: module.__name__)
def test_a_written_page_is_fresh(module: ModuleType, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        write(module.PATH, module.page())
    assert module.PATH.read_text(encoding="utf-8") == module.page(), f"run: python scripts/{module.__name__}.py"


def test_the_pictures_are_fresh(request: pytest.FixtureRequest) -> None:
    for path, picture in pictures.pictures().items():
        if request.config.getoption("--update-golden"):
            write(path, picture)
        assert path.read_text(encoding="utf-8") == picture, "run: make pictures"


def test_the_pages_of_the_systems_are_fresh() -> None:
    made = {**system_pages.pages(), **system_pages.pictures()}
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, "run: make systems, or where only pages changed: python scripts/system_pages.py"
    found = {*(DOCS / "systems").glob("*.md"), *system_pages.PICTURES.glob("*.svg")}
    assert found <= set(made)


@pytest.mark.parametrize("path", [*PAGES, *sorted((DOCS / "systems").glob("*.md"))], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^(`{3,}).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        assert found.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(found), f"{path.name}: {target}"


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("\\", "").lower()).strip().replace(" ", "-") for heading in headings}


def test_tests_that_pages_name_exist() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = {name for path in DOCS.glob("*.md") for name in re.findall(r"`(test_\w+)`", path.read_text(encoding="utf-8"))}
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


def test_the_front_page_names_every_module_of_the_library() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [row["module"] for row in list_library() if f"`{row['module']}`" not in text] == []


def test_a_page_that_says_what_does_not_happen_fails(desk: Path) -> None:
    wrong = {
        "output": "```python\nprint(1)\n```\n\n```text\n2\n```\n",
        "not shown": "```python\nprint(1)\n```\n",
        "program": "```attn\nblock f(x: [*, N]) -> [*] {\n    return mean(x, M)\n}\n```\n",
        "format": "```attn\nblock f(x: [*, N]) -> [*] { return mean(x,N) }\n```\n",
        "no mistake": "```attn wrong\nblock f(x: [*, N]) -> [*] {\n    return mean(x, N)\n}\n```\n",
        "command": "```console\n$ attn check no.attn\nno.attn: no mistakes\n```\n",
    }
    for name, text in wrong.items():
        path = desk / f"{name}.md"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError):
            Page(path).run()
