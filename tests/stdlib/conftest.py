"""torchvision, ready for the models that import it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def models(torchvision: None) -> None:
    """Every test here may import timm, transformers and torchvision."""
