"""Neighbouring multiples and divisors of plain numbers, for advice in messages."""

from __future__ import annotations

from math import isqrt

_MOST_TRIALS = 100_000


def nearest_multiples(n: int, k: int) -> tuple[int, int]:
    """The multiples of k > 0 next to n, below and above; both are n when k divides it: `510, 8` gives `(504, 512)`."""
    return n // k * k, -(-n // k) * k


def divisors(n: int, limit: int = 12) -> list[int]:
    """The smallest `limit` positive divisors of n > 0, ascending (of a huge n with few small ones: those that were found)."""
    trials = min(isqrt(n), _MOST_TRIALS) if n > 0 else 0
    small = [i for i in range(1, trials + 1) if n % i == 0]
    large = [n // i for i in reversed(small) if i * i != n]
    return [*small, *large][:limit]
