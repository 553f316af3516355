"""Long work on the event loop, cut into slices, so that what else is ready has its turn between."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_SLICE_S: Final = 0.0005
"""An update has its turn in the loop about ten times, and waits for so much each time."""


class _Lane:
    """One slice at a time, however many are at long work; in the order of asking."""

    def __init__(self) -> None:
        self.free = asyncio.Lock()
        self.at_work = 0


_lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lane] = WeakKeyDictionary()


async def in_slices(
    make: Callable[[_Given], _Made], given: Iterable[_Given], *, rest_s: float = 0.0
) -> list[_Made]:
    """Return `make` of each in `given`, as a list; others run after each half millisecond of it.

    Work of several callers takes turns, and then half of the time, or less, so that threads that
    need the interpreter's lock, as one that commits, have it meanwhile. Where something that
    `given` holds takes much longer by itself, `rest_s` seconds follow each slice.
    """
    loop = asyncio.get_running_loop()
    lane = _lanes.get(loop) or _lanes.setdefault(loop, _Lane())
    made: list[_Made] = []
    rest = iter(given)
    lane.at_work += 1
    try:
        while True:
            async with lane.free:
                until = perf_counter() + _SLICE_S
                for each in rest:
                    made.append(make(each))
                    if perf_counter() >= until:
                        break
                else:
                    return made
                await asyncio.sleep(_SLICE_S if lane.at_work > 1 else 0)
            if rest_s:
                await asyncio.sleep(rest_s)
    finally:
        lane.at_work -= 1
