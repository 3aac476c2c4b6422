"""The rows of the benchmark, a file for each family."""

from __future__ import annotations

from harness.row import Row

from . import channel_tokens, decode, dense, encoders, gates, grouped, linear, masked, networks, pruning, training, windows

FAMILIES = (dense, masked, linear, grouped, windows, channel_tokens, gates, pruning, encoders, decode, networks, training)
ROWS: tuple[Row, ...] = tuple(row for family in FAMILIES for row in family.ROWS)
BY_NAME = {row.name: row for row in ROWS}
