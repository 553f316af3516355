"""The cores that each part of a measurement runs on: apart, where there are enough of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENOUGH: Final = 4


@dataclass(frozen=True, slots=True)
class Cores:
    """By number, as the kernel counts them."""

    load: frozenset[int]
    mongod: frozenset[int]
    measured: frozenset[int]


def apart(cores: frozenset[int]) -> Cores:
    """Give load a core of its own and mongod half of the rest; below four all share all."""
    if len(cores) < _ENOUGH:
        return Cores(cores, cores, cores)
    load, *rest = sorted(cores)
    half = len(rest) // 2
    return Cores(frozenset({load}), frozenset(rest[:half]), frozenset(rest[half:]))


CORES: Final = apart(frozenset(os.sched_getaffinity(0)))
"""Of this machine, as far as this process may use it."""


@contextmanager
def running_on(cores: frozenset[int]) -> Iterator[None]:
    """Have the processes that this thread starts meanwhile run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
