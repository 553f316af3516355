"""Long work on the event loop, cut into slices, so that what else is ready has its turn between."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

SLICE: Final = 50
"""Rows of a log or of a list of jobs: about a millisecond."""


async def in_slices(make: Callable[[_Given], _Made], given: Iterable[_Given]) -> list[_Made]:
    """Return `make` of each in `given`, as a list; others run after each `SLICE` of them."""
    made: list[_Made] = []
    left = iter(given)
    while some := list(map(make, islice(left, SLICE))):
        made += some
        await asyncio.sleep(0)
    return made
