"""Every system of the catalogue computes what its plain PyTorch formulation computes, in every variant."""

from __future__ import annotations

import pytest

from .gathering import every_case
from .support import Case, compare


@pytest.mark.parametrize("case", every_case())
def test_values_and_gradients_are_those_of_plain_pytorch(case: Case) -> None:
    compare(case, case.module())
