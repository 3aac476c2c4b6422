"""From the syntax tree to the typed graph. Checking a block is building its graph with symbolic sizes: there is one set of rules."""

from . import calls, lookups, scans, storage  # noqa: F401  (they register how their trees are evaluated)
from .check import check_block, check_unit
from .root import Elaborated, elaborate

__all__ = ["Elaborated", "check_block", "check_unit", "elaborate"]
