"""What a typed graph means, said a second time: every operator as a plain formula over tensors with named axes.

It shares nothing with the compiler's way to PyTorch, keeps every value in float64, int64 or bool, and is slow. Compiled programs are
compared with it.
"""

from .evaluator import Result, evaluate, run
from .rules import Refused

__all__ = ["Refused", "Result", "evaluate", "run"]
