"""From the syntax tree to the typed graph. Checking a block is building its graph with symbolic sizes: there is one set of rules."""

from . import arithmetic, calls, lookups, scans, storage
from .check import check_block, check_unit
from .root import Elaborated, elaborate

__all__ = ["Elaborated", "arithmetic", "calls", "check_block", "check_unit", "elaborate", "lookups", "scans", "storage"]
# Importing arithmetic, calls, lookups, scans and storage registers how their trees are evaluated.
