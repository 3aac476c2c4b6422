"""Running sums of products and linear recurrences, a chunk of positions at a time."""

from .chunks import Chunks

__all__ = ["Chunks"]
