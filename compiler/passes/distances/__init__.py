"""A bias or mask that tells distances alone is a view of one row, and what a softmax does not see of a bias is gone."""

from .distances import Distances

__all__ = ["Distances"]
