"""How late the event loop's timers are; its beat also takes the samples of the telemetry."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohttp import web

from actors.operators.history import RECORDED_EVERY_S, History
from actors.telemetry.histogram import Histogram
from actors.telemetry.telemetry import SAMPLED_EVERY_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.node.node import Node

_BEAT_S: Final = 0.1
_REMEMBERED: Final = round(60 / _BEAT_S)


class LoopMonitor:
    """Ten beats a second while the application runs."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._born = time.monotonic()
        self._sampled = self._recorded = self._due = 0.0
        self._late: deque[float] = deque(maxlen=_REMEMBERED)
        self._timer: asyncio.TimerHandle | None = None
        self.lags = Histogram()
        self.history = History()
        self.followers: list[Callable[[], None]] = []
        """Called at each moment of the history."""

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Beat until the application ends."""
        now = time.perf_counter()
        self._sample(now)
        self._record(now)
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
        now = time.perf_counter()
        late = max(0.0, now - self._due)
        self._late.append(late)
        self.lags.note(late)
        if now - self._sampled >= SAMPLED_EVERY_S:
            self._sample(now)
        if now - self._recorded >= RECORDED_EVERY_S:
            self._record(now)
        self._set()

    def _sample(self, now: float) -> None:
        self._sampled = now
        self._node.telemetry.sample()

    def _record(self, now: float) -> None:
        self._recorded = now
        region = self._node.region
        owned = region.statistics() if region.jobs is not None else None
        self.history.record(self._node.telemetry, owned, at=time.time(), clock=now)
        for follow in self.followers:
            follow()


LOOP_MONITOR: Final = web.AppKey("loop_monitor", LoopMonitor)
