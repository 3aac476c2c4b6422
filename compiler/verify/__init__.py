"""The proof that nothing changed: graphs and modules held against the reference interpreter, and against each other.

`compare` holds a compiled program against the reference; `verify_graph` every pass of the optimiser.
"""

from .agreement import Disagreement, agree, compare, compiled, stored
from .report import Finding, Report, Row
from .settings import Setting, fits, fitting, inputs_for
from .verifying import verify_graph

__all__ = [
    "Disagreement", "Finding", "Report", "Row", "Setting", "agree", "compare", "compiled", "fits", "fitting", "inputs_for", "stored",
    "verify_graph",
]  # fmt: skip
