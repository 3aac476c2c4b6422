"""The proof that nothing changed: graphs and modules held against the reference interpreter, and against each other.

`compare` holds a compiled program against the reference; `verify` every pass of the optimiser on a program, `verify_graph` on a graph.
"""

from .agreement import Disagreement, agree, compare, compiled, stored
from .choosing import settings_for
from .programs import require, verify
from .report import Finding, Report, Row, table
from .settings import Setting, fits, fitting, inputs_for
from .verifying import verify_graph

__all__ = [
    "Disagreement",
    "Finding",
    "Report",
    "Row",
    "Setting",
    "agree",
    "compare",
    "compiled",
    "fits",
    "fitting",
    "inputs_for",
    "require",
    "settings_for",
    "stored",
    "table",
    "verify",
    "verify_graph",
]
