"""Which test speaks of which system."""

from __future__ import annotations

import pytest

from .gathering import IDS


@pytest.fixture(scope="session", autouse=True)
def models(torchvision: None) -> None:
    """Every test here may import timm, transformers and torchvision."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A mark names a system of the catalogue and says a sentence about it; the report of the test carries both."""
    if not config.getoption("every_block"):
        left = [item for item in items if item.get_closest_marker("every_block")]
        items[:] = [item for item in items if not item.get_closest_marker("every_block")]
        config.hook.pytest_deselected(items=left)
    for place, item in enumerate(items):
        for mark in item.iter_markers("system"):
            if len(mark.args) != 2 or mark.args[0] not in IDS or not str(mark.args[1]).endswith("."):
                raise pytest.UsageError(f"{item.nodeid}: system{mark.args} takes an id of the catalogue and a sentence with a dot")
            item.user_properties.append(("system", [*mark.args, place]))
