"""timm, where it can be imported."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
import torchvision_shim


@pytest.fixture(scope="session", autouse=True)
def torchvision() -> None:
    """Models of timm and of transformers import it."""
    torchvision_shim.prepare()


@pytest.fixture(scope="session")
def timm() -> Any:
    """The library of models, with the modules that the tests look into; a test that asks for it is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("timm")
        for name in ("layers.cbam", "layers.coord_attn", "layers.grn", "models.davit", "models.xcit", "models.swin_transformer"):
            importlib.import_module(f"timm.{name}")
    return found
