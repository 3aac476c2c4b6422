"""The operator table, one family a file; importing this package fills it."""

from . import (  # noqa: F401  (each registers its operators)
    arithmetic,
    attention,
    borders,
    channel_norms,
    choice,
    contraction,
    convolution,
    cumulative,
    indexing,
    norms,
    pointwise,
    pooling,
    position,
    random,
    reductions,
    resizing,
    sampling,
    scatter,
    shape,
    softmax,
    sorting,
    spectral,
    structure,
    sums,
    windows,
)
from .base import OPERATORS, Operator

__all__ = ["OPERATORS", "Operator"]
