"""Where every decision of a simulation comes from."""

from __future__ import annotations

from random import Random


def chance(seed: int, purpose: str) -> Random:
    """Return the seed's generator for one purpose: what one draws leaves the others as they are."""
    return Random(f"{purpose} {seed}")  # noqa: S311 -- to be repeated, not to be secret
