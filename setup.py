"""Everything about the build is in pyproject.toml; this file only refuses a checkout that lost its links."""

from pathlib import Path

from setuptools import setup

for room in ("dsl", "compiler", "stdlib", "catalogue"):
    if not (Path(__file__).resolve().parent / "src" / "attn" / room).is_dir():
        raise SystemExit(
            f"attn cannot be built: src/attn/{room} is not a link to the folder {room}/; "
            "check the repository out again with symbolic links (git config core.symlinks true)."
        )

setup()
