"""The order of tests that several processes share."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def deal(long: Sequence[T], others: Sequence[T], processes: int) -> list[T]:
    """Put some of the long ones first in each process's part of the list.

    xdist cuts a list into parts of one size, the first for its first process and so on; whoever is
    through with his own takes over the ends of others' parts. Neighbours stay together: four drills
    at once keep two cores so busy that none comes to an end.
    """
    dealt: list[T] = []
    rest = iter(others)
    for number in range(processes):
        left = len(long) + len(others) - len(dealt)
        first = long[len(long) * number // processes : len(long) * (number + 1) // processes]
        size = max(left // (processes - number), len(first))
        dealt += [*first, *islice(rest, size - len(first))]
    return dealt
