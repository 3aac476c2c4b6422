"""The same text gives the same bytes: graphs, pictures, files of PyTorch, names of weights and messages do not depend on the seed of
hashes, and they are those that the repository has digests of."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys

import pytest
from digests import DIGESTS, ROOT

SEEDS = ("0", "1", "2", "random")
KINDS = {"json", "dot", "svg", "mermaid", "weights", "listing-train", "listing-infer", "python"}


def digests(seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "digests.py")],
        env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def first() -> list[str]:
    return digests(SEEDS[0])


@pytest.mark.timeout(300)
def test_everything_is_looked_at(first: list[str]) -> None:
    fields = [line.split() for line in first]
    blocks = {name for _, kind, name in fields if kind == "json"}
    written = {name for _, kind, name in fields if kind == "python"}
    assert {kind for _, kind, _ in fields} >= KINDS
    assert len(blocks) >= 50
    assert len(written) >= 0.7 * len(blocks)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS[1:])
def test_the_seed_of_hashes_changes_nothing(first: list[str], seed: str) -> None:
    assert digests(seed) == first


@pytest.mark.timeout(300)
def test_the_digests_of_the_repository_are_those(first: list[str], pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--update-golden"):
        DIGESTS.write_text("\n".join(first) + "\n", encoding="utf-8")
    known = DIGESTS.read_text(encoding="utf-8").splitlines()
    changed = list(difflib.unified_diff(known, first, "the repository", "now", n=0, lineterm=""))
    assert changed == [], "\n".join(["`make golden` writes them anew; what changed:", *changed])
