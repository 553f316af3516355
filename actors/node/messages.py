"""What a node's actor is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tick:
    """Look at lease and store now. Answered when that is done."""


@dataclass(frozen=True, slots=True)
class Deposed:
    """The store has seen a higher epoch than ours."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Finish and step down for good, within `timeout_s`. Answered with whether all was finished."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class HandOver:
    """Finish and step down, for another node; answered with whether all was finished in time."""

    timeout_s: float
