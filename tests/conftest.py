"""What all tests share: the `--update-golden` option with its fixture, the settings of Hypothesis, and timm."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from golden_support import Golden
from hypothesis import settings

# The same examples in every run; a long run with fresh ones takes `--hypothesis-profile=fresh`.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("fresh", deadline=None, max_examples=5000)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected texts anew instead of comparing with them")
    parser.addoption("--every-block", action="store_true", help="tests/systems: every block of a system goes through every way")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, Callable[[Golden], str]], None]:
    """`golden(path, run)`: what `run` makes of the file's source has to be the file's output."""

    def check(path: Path, run: Callable[[Golden], str]) -> None:
        case = Golden.read(path)
        found = run(case)
        if request.config.getoption("--update-golden"):
            case.write(found)
        else:
            assert found == case.output, f"the output differs from {path}; `--update-golden` writes it anew"

    return check


@pytest.fixture(scope="session")
def torchvision() -> None:
    """Makes `import torchvision` work; models of timm and of transformers import it."""
    import torchvision_shim

    torchvision_shim.prepare()


@pytest.fixture(scope="session")
def timm(torchvision: None) -> Any:
    """The library of models, with the modules that the tests look into; a test that asks for it is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("timm")
        for name in ("layers.cbam", "layers.coord_attn", "layers.grn", "models.davit", "models.xcit", "models.swin_transformer"):
            importlib.import_module(f"timm.{name}")
    return found
