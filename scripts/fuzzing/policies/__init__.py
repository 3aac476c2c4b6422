"""Patterns that passes look for, written into random programs in many spellings. A pass that no policy reaches fails the run."""

from __future__ import annotations

from collections.abc import Callable

from ..draft import Draft
from . import chains, constants, distances, gates, heads, images, products, recurrent, repeated, spelled, turned, whole

Policy = Callable[[Draft], object]
"""Adds lines to a draft, or none where the values at hand do not allow it."""

POLICIES: dict[str, tuple[Policy, ...]] = {
    "products": products.POLICIES,
    "spelled": spelled.POLICIES,
    "constants": constants.POLICIES,
    "heads": heads.POLICIES,
    "gates": gates.POLICIES,
    "distances": distances.POLICIES,
    "images": images.POLICIES,
    "repeated": repeated.POLICIES,
    "recurrent": recurrent.POLICIES,
    "turned": turned.POLICIES,
    "whole": whole.POLICIES,
}


FAMILIES = (*POLICIES.values(), distances.POLICIES, distances.POLICIES, images.POLICIES, turned.POLICIES)
"""Blocks of few pairs, maps of images and look-ups need more attempts than others: what they are written for is rare."""


CHAINS = 40
"""One program in so many is made of chains, which are about the calls of a module and not about a pass."""


def apply(d: Draft) -> None:
    """One pattern of a random family."""
    family = chains.POLICIES if d.seed % CHAINS == 7 else d.rng.choice(FAMILIES)
    d.rng.choice(family)(d)
