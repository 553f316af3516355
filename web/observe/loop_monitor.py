"""How late the event loop's timers are."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohttp import web

from actors.telemetry.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_BEAT_S: Final = 0.1
_REMEMBERED: Final = round(60 / _BEAT_S)
_FOLLOWED_EVERY: Final = 50


class LoopMonitor:
    """Ten beats a second while the application runs."""

    def __init__(self) -> None:
        self._born = time.monotonic()
        self._due = 0.0
        self._late: deque[float] = deque(maxlen=_REMEMBERED)
        self._timer: asyncio.TimerHandle | None = None
        self.lags = Histogram()
        self.followers: list[Callable[[], None]] = []
        """Called each five seconds."""

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Beat until the application ends."""
        self._set()
        yield
        if self._timer is not None:
            self._timer.cancel()

    def worst_s(self) -> float:
        """Return how late the latest beat of the last minute was, in seconds."""
        return max(self._late, default=0.0)

    @property
    def up_s(self) -> float:
        """Seconds since the application was made."""
        return time.monotonic() - self._born

    def _set(self) -> None:
        # Not the loop's clock: uvloop's stands still while a callback runs.
        self._due = time.perf_counter() + _BEAT_S
        self._timer = asyncio.get_running_loop().call_later(_BEAT_S, self._beat)

    def _beat(self) -> None:
        late = max(0.0, time.perf_counter() - self._due)
        self._late.append(late)
        self.lags.note(late)
        if self.lags.count % _FOLLOWED_EVERY == 1:
            for follow in self.followers:
                follow()
        self._set()


LOOP_MONITOR: Final = web.AppKey("loop_monitor", LoopMonitor)
