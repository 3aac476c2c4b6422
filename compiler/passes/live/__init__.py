"""Attention whose mask rules out pairs by their positions is worked out on blocks of the pairs that are left."""

from .live import Live

__all__ = ["Live"]
