"""Golden files: a source and the text expected from it, together in one file that reads well in a diff.

    ---- source
    block f(x: [*]) -> [*] { return x }
    ---- file pkg/sub.attn
    (a further file, as many as needed; `---- link NAME` makes a link to what stands below it)
    ---- output
    what the function under test makes of it

`---- source (repeated 100 times)` repeats its text, and `---- source (latin-1)` is saved so. What is made of a source is up to the
test: any function from a `Golden` to text (see the `golden` fixture).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import attn
from attn.dsl.render import render_all

GOLDEN = Path(__file__).parent / "golden"
ERRORS = GOLDEN / "errors"
_HEADER = re.compile(r"^---- (source|file|link|output)(?: ([^\n(]+?))?(?: \(([^\n)]*)\))?\n", re.MULTILINE)


@dataclass(frozen=True)
class Golden:
    """One golden file. `text` is the source as it stands there, `source` with its repetition; `inputs` is all before the output."""

    path: Path
    inputs: str
    text: str
    option: str
    files: dict[str, str]
    links: dict[str, str]
    output: str

    @property
    def source(self) -> str:
        repeated = re.fullmatch(r"repeated (\d+) times", self.option)
        return self.text * int(repeated[1]) if repeated else self.text

    @property
    def data(self) -> bytes:
        return self.source.encode("latin-1" if self.option == "latin-1" else "utf-8")

    @classmethod
    def read(cls, path: Path) -> Golden:
        text = path.read_text(encoding="utf-8")
        headers = list(_HEADER.finditer(text))
        ends = [*(header.start() for header in headers[1:]), len(text)]
        parts = [(header[1], header[2], header[3] or "", text[header.end() : end]) for header, end in zip(headers, ends, strict=True)]
        if not parts or parts[0][0] != "source":
            raise ValueError(f"{path} does not begin with `---- source`")
        output = next((header.start() for header in headers if header[1] == "output"), len(text))
        return cls(
            path=path,
            inputs=text[:output],
            text=parts[0][3],
            option=parts[0][2],
            files={name: body for kind, name, _, body in parts if kind == "file"},
            links={name: body.strip() for kind, name, _, body in parts if kind == "link"},
            output=next((body for kind, _, _, body in parts if kind == "output"), ""),
        )

    def write(self, output: str) -> None:
        self.path.write_text(f"{self.inputs}---- output\n{output}", encoding="utf-8")

    def unpack(self, folder: Path, main: str = "main.attn") -> Path:
        """Write the source and the further files into a folder; returns where the source is."""
        for name, body in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")
        for name, target in self.links.items():
            (folder / name).symlink_to(target)
        path = folder / main
        path.write_bytes(self.data)
        return path


def told(case: Golden, look: Callable[[Golden, Path], object]) -> str:
    """What AttnError says when `look` works on the unpacked files of a case, without the folder they are in."""
    with tempfile.TemporaryDirectory() as folder, pytest.raises(attn.AttnError) as caught:
        look(case, case.unpack(Path(folder)))
    return render_all(caught.value.diagnostics, color=False).replace(folder + "/", "") + "\n"


def golden_files(folder: Path, pattern: str = "*.txt") -> list[Path]:
    """The golden files of a folder in order; an empty list is a mistake in the test."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise ValueError(f"no file in {folder} fits {pattern}")
    return found
