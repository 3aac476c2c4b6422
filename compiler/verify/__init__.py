"""The proof that nothing changed: graphs and modules held against the reference interpreter, and against each other.

`compare` holds a compiled program against the reference; `verify` every pass of the optimiser.
"""

from .agreement import Disagreement, agree, compare, compiled, stored
from .settings import Setting, fits, fitting, inputs_for

__all__ = ["Disagreement", "Setting", "agree", "compare", "compiled", "fits", "fitting", "inputs_for", "stored"]
