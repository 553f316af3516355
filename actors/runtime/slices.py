"""Long work on the event loop, cut into slices, so that what else is ready has its turn between."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_SLICE_S: Final = 0.0005
"""An update has its turn in the loop about ten times, and waits for so much each time."""


async def in_slices(make: Callable[[_Given], _Made], given: Iterable[_Given]) -> list[_Made]:
    """Return `make` of each in `given`, as a list; others run after each half millisecond of it.

    Nothing that `given` holds should take much longer by itself.
    """
    made: list[_Made] = []
    until = perf_counter() + _SLICE_S
    for each in given:
        made.append(make(each))
        if perf_counter() >= until:
            await asyncio.sleep(0)
            until = perf_counter() + _SLICE_S
    return made
