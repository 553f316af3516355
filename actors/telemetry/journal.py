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
    from collections.abc import AsyncIterator, Iterable, Sequence

MAX_EVENTS: Final = 20_000
"""Happenings; at 350 bytes each some 7 MB."""
_SLICE: Final = 5_000
"""Looked at in one turn of the loop, in a millisecond or two: beside a load each turn is a wait."""
RECENT_S: Final = 60.0


class Event(NamedTuple):
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
class OrderLoad:
    """An order's answered updates of the last minute, and the seconds they took in all."""

    updates: int = 0
    took_s: float = 0.0

    @property
    def mean_s(self) -> float:
        """How long one took; 0 where all of them are older than a minute by now."""
        return self.took_s / self.updates if self.updates else 0.0


class Journal:
    """The last happenings, numbered from 1 on; no reader is waited for."""

    def __init__(self, room: int = MAX_EVENTS) -> None:
        self._kept: deque[Event] = deque(maxlen=room)
        self._loads = _Loads(room)
        self.count = 0
        """The number of the latest."""
        self.name = secrets.token_hex(4)
        """Tells the numbers of this journal from those of another process."""

    def note(self, noted: Event) -> None:
        """Add one; the oldest goes."""
        self._kept.append(noted)
        self.count += 1

    def after(self, number: int, limit: int) -> tuple[int, list[Event]]:
        """Return how many were missed after `number`, and the latest ones, `limit` at most."""
        new = max(0, self.count - number)
        shown = min(new, limit, len(self._kept))
        latest = list(islice(reversed(self._kept), shown))
        latest.reverse()
        return new - shown, latest

    def last(self, event: str, code: str) -> Event | None:
        """Return the latest event of a kind with a code, while it is kept."""
        return next(
            (each for each in reversed(self._kept) if (each.event, each.code) == (event, code)),
            None,
        )

    async def of(self, order_id: str, limit: int) -> list[Event]:
        """Return the latest happenings of one order, newest first."""
        found: list[Event] = []
        async for some in self._newest():
            found += [each for each in some if each.work_order_id == order_id]
            if len(found) >= limit:
                break
        return found[:limit]

    async def loads(self) -> tuple[dict[str, OrderLoad], float]:
        """Return the load of each order that was busy lately, and over how many seconds.

        That is a minute, or less where more than is kept happened within it.
        """
        self._loads.take(islice(reversed(self._kept), self.count - self._loads.taken), self.count)
        while self._loads.goes_on(time.time() - RECENT_S):  # noqa: ASYNC110 -- a turn for others
            await asyncio.sleep(0)
        return self._loads.now()

    async def _newest(self) -> AsyncIterator[Sequence[Event]]:
        """Return all of them in slices, the newest first; others have their turn between two."""
        kept = tuple(reversed(self._kept))
        for start in range(0, len(kept), _SLICE):
            yield kept[start : start + _SLICE]
            await asyncio.sleep(0)


class _Loads:
    """The orders' loads, brought up to date by those who look.

    An update pays nothing for them, and a look only for what happened since the last one.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self.taken = 0
        """The number of the last happening that was taken."""
        self._new: deque[Event] = deque(maxlen=room)
        self._counted: deque[Event] = deque()
        self._loads: dict[str, OrderLoad] = {}

    def take(self, newest_first: Iterable[Event], number: int) -> None:
        """Take what happened since, up to that number; it is still to be counted."""
        self.taken = number
        new = list(newest_first)
        new.reverse()
        self._new.extend(new)

    def goes_on(self, since: float) -> bool:
        """Count some, and leave out some that are older or too many; tell if there is more."""
        new, counted = self._new, self._counted
        for _ in range(min(_SLICE, len(new))):
            noted = new.popleft()
            counted.append(noted)
            self._add(noted, 1)
        for _ in range(_SLICE):
            if not counted or (len(counted) <= self._room and counted[0].at >= since):
                return bool(new)
            self._add(counted.popleft(), -1)
        return True

    def now(self) -> tuple[dict[str, OrderLoad], float]:
        """Return the loads as they are counted, and over how many seconds."""
        full = len(self._counted) == self._room
        window_s = max(time.time() - self._counted[0].at, 1.0) if full else RECENT_S
        return dict(self._loads), window_s

    def _add(self, noted: Event, sign: int) -> None:
        order_id = noted.work_order_id
        if order_id is None or noted.job_id is None:
            return
        load = self._loads.get(order_id)
        if load is None:
            load = self._loads[order_id] = OrderLoad()
        load.updates += sign
        load.took_s += sign * noted.took_s
        if not load.updates:
            del self._loads[order_id]
