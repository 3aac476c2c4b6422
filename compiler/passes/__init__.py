"""The optimiser: passes from a typed graph to a cheaper one that means the same, in one readable list."""

from .base import Change, Mode, Outcome, Pass
from .pipeline import Optimised, Step, optimise, passes

__all__ = ["Change", "Mode", "Optimised", "Outcome", "Pass", "Step", "optimise", "passes"]
