"""The operator table, one family a file; importing this package fills it."""

from importlib import import_module

from .base import OPERATORS, Operator

FAMILIES = (
    "arithmetic",
    "attention",
    "borders",
    "channel_norms",
    "choice",
    "contraction",
    "convolution",
    "cumulative",
    "indexing",
    "lay",
    "moments",
    "norms",
    "pointwise",
    "pooling",
    "powers",
    "position",
    "random",
    "reductions",
    "resizing",
    "sampling",
    "scatter",
    "shape",
    "softmax",
    "sorting",
    "spectral",
    "structure",
    "sums",
    "windows",
)
for _family in FAMILIES:
    import_module(f".{_family}", __name__)  # each registers its operators

__all__ = ["FAMILIES", "OPERATORS", "Operator"]
