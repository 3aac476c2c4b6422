"""The rules of the house: sizes, imports, links, pins."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from sizes import ROOT, Size, file_sizes, function_sizes, nine_in_ten, sources

import attn

ROOMS = ("dsl", "compiler", "stdlib", "catalogue")
HEAVY = {"networkx", "numpy", "sympy", "torch"}
PROGRAM = """attn 1

block gate(x: [*, C, H, W], reduction: int = 16) -> [*, C, H, W] {
    s = x |> mean(H W) |> linear(C -> r=C/reduction) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
    return x * s
}
"""
# Runs `attn check FILE` in this process and prints its exit status and the modules that were imported on the way.
CHECK = """
import sys
from attn.cli import main
sys.argv = ["attn", "check", sys.argv[1]]
status = 0
try:
    main()
except SystemExit as end:
    status = end.code or 0
print("\\n", status, *sys.modules)
"""


def over(sizes: list[Size], limit: int) -> list[str]:
    return [f"{size.place}: {size.lines} lines" for size in sizes if size.lines > limit]


def test_no_file_is_too_long() -> None:
    assert over(file_sizes(), 450) == []


def test_nine_in_ten_functions_have_under_thirty_lines() -> None:
    sizes = function_sizes()
    assert nine_in_ten(sizes) < 30, over(sizes, 29)


def test_nine_in_ten_is_the_ninth_of_ten() -> None:
    assert nine_in_ten([Size("", lines) for lines in (10, 1, 9, 2, 8, 3, 7, 4, 6, 5)]) == 9


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_links_in_the_package(room: str) -> None:
    link = ROOT / "src" / "attn" / room
    assert link.is_symlink()
    assert os.readlink(link) == f"../../{room}"


def python_files() -> list[Path]:
    elsewhere = [path for folder in ("tests", "examples", "benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py")]
    return sorted([*sources(), *elsewhere])


def absolute_imports(statements: Iterator[ast.AST]) -> Iterator[str]:
    """The full names of modules that are imported by `import a.b` and `from a.b import c`, not by `from .b import c`."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def at_import(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: not the bodies of functions, nor what is only for type checkers."""
    for node in statements:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_import(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for block in ("body", "orelse", "finalbody"):
                yield from at_import(getattr(node, block, []))
            yield from at_import([line for handler in getattr(node, "handlers", []) for line in handler.body])


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_rooms_are_never_imported_under_their_generic_names() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files()
        for name in absolute_imports(ast.walk(parsed(path)))
        if name.split(".")[0] in ROOMS
    ]
    assert found == []


def test_imports_inside_the_package_are_relative() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources()
        for name in absolute_imports(ast.walk(parsed(path)))
        if name.split(".")[0] == "attn"
    ]
    assert found == []


def front_end() -> list[Path]:
    late = [ROOT / "compiler" / room for room in ("inspect", "lower", "view", "reference", "verify")]
    return [path for path in sources() if not any(path.is_relative_to(room) for room in late) and not path.is_relative_to(ROOT / "src")]


def test_the_front_end_imports_nothing_heavy() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in front_end()
        for name in absolute_imports(at_import(parsed(path).body))
        if name.split(".")[0] in HEAVY
    ]
    assert found == []


def test_import_at_the_top_is_told_from_a_lazy_one() -> None:
    never = "if TYPE_CHECKING:\n    import b\ndef f():\n    import c\n"
    text = f"import a\n{never}class K:\n    import d\ntry:\n    import e\nexcept E:\n    import g\n"
    assert list(absolute_imports(at_import(ast.parse(text).body))) == ["a", "d", "e", "g"]


def test_check_imports_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "gate.attn"
    file.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", CHECK, str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    status, *modules = done.stdout.splitlines()[-1].split()
    assert status == "0", done.stdout + done.stderr
    assert {"attn.cli", "lark"} <= set(modules)
    assert set(modules) & (HEAVY | {"pydantic", "rich"}) == set()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {normal(line.split("==")[0]): line for line in lines if not line.startswith("#")}


def normal(name: str) -> str:
    """The one spelling of a package's name that packaging compares by."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements() -> Iterator[str]:
    """Names of all that pyproject.toml asks for, extras included."""
    table = project()
    for wanted in [*table["dependencies"], *(line for extra in table["optional-dependencies"].values() for line in extra)]:
        yield normal(re.split(r"[<>=!~\[; ]", wanted, maxsplit=1)[0])


def test_every_requirement_is_pinned() -> None:
    assert set(requirements()) - set(pins()) == set()


def test_pins_are_sorted() -> None:
    assert list(pins()) == sorted(pins())


def test_every_pin_is_exact() -> None:
    assert [line for line in pins().values() if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_the_version_is_said_once() -> None:
    assert attn.__version__ == project()["version"] == version("attn")


def test_a_checkout_without_links_cannot_be_built(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text((ROOT / "setup.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "src" / "attn").mkdir(parents=True)
    (tmp_path / "src" / "attn" / "dsl").write_text("../../dsl", encoding="utf-8")  # what git writes where it may not make links
    done = subprocess.run([sys.executable, "setup.py", "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("attn cannot be built: src/attn/dsl is not a link to the folder dsl/; ")
    assert done.stderr.count("\n") == 1
