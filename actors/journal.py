"""What happened last on this node: kept in memory for operators, read at their pace."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

KEPT: Final = 20_000
"""Happenings; at 350 bytes each some 7 MB."""
_SLICE: Final = 5_000
"""Looked at in one turn of the loop, in a millisecond or two: beside a load each turn is a wait."""
RECENT_S: Final = 60.0


class Happening(NamedTuple):
    """One event: an update that was answered, or a change of owner or pause.

    `at` is in seconds since 1970, `took_s` the time from arrival to answer.
    """

    at: float
    event: str
    work_order_id: str | None = None
    job_id: str | None = None
    type: str | None = None
    quantity: float | None = None
    after: float | None = None
    seq: int = 0
    code: str | None = None
    detail: str | None = None
    took_s: float = 0.0
    request_id: str = ""


@dataclass(slots=True)
class Load:
    """An order's answered updates of the last minute, and the seconds they took in all."""

    updates: int = 0
    took_s: float = 0.0


class Journal:
    """The last happenings, numbered from 1 on; no reader is waited for."""

    def __init__(self, room: int = KEPT) -> None:
        self._kept: deque[Happening] = deque(maxlen=room)
        self.count = 0
        """The number of the latest."""
        self.name = secrets.token_hex(4)
        """Tells the numbers of this journal from those of another process."""

    def note(self, happening: Happening) -> None:
        """Add one; the oldest goes."""
        self._kept.append(happening)
        self.count += 1

    def after(self, number: int, limit: int) -> tuple[int, list[Happening]]:
        """Give how many were missed after `number`, and the latest ones, `limit` at most."""
        new = max(0, self.count - number)
        shown = min(new, limit, len(self._kept))
        latest = list(islice(reversed(self._kept), shown))
        latest.reverse()
        return new - shown, latest

    async def of(self, order_id: str, limit: int) -> list[Happening]:
        """Give the latest happenings of one order, newest first."""
        found: list[Happening] = []
        async for some in self._newest():
            found += [each for each in some if each.work_order_id == order_id]
            if len(found) >= limit:
                break
        return found[:limit]

    async def loads(self) -> tuple[dict[str, Load], float]:
        """Give the load of each order that was busy lately, and over how many seconds.

        That is a minute, or less where more than is kept happened within it.
        """
        now = time.time()
        loads: dict[str, Load] = {}
        since = now
        async for some in self._newest():
            for each in some:
                if each.at < now - RECENT_S:
                    return loads, RECENT_S
                if each.work_order_id is not None and each.job_id is not None:
                    load = loads.get(each.work_order_id)
                    if load is None:
                        load = loads[each.work_order_id] = Load()
                    load.updates += 1
                    load.took_s += each.took_s
            since = some[-1].at
        full = len(self._kept) == self._kept.maxlen
        return loads, max(now - since, 1.0) if full else RECENT_S

    async def _newest(self) -> AsyncIterator[Sequence[Happening]]:
        """Give all of them in slices, the newest first; others have their turn between two."""
        kept = tuple(reversed(self._kept))
        for start in range(0, len(kept), _SLICE):
            yield kept[start : start + _SLICE]
            await asyncio.sleep(0)
