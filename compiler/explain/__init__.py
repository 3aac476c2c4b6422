"""What the compiler did to a program, what that costs and saves, and what stands in the way of faster ways. No torch."""

from .explaining import explain_program
from .report import Explanation

__all__ = ["Explanation", "explain_program"]
