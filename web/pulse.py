"""The loop's pulse: how late its timers are, and the beat by which figures are sampled."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohttp import web

from actors.figures import SAMPLED_EVERY_S
from actors.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.figures import Figures

_BEAT_S: Final = 0.1
_REMEMBERED: Final = round(60 / _BEAT_S)


class Pulse:
    """Ten beats a second while the application runs."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._born = time.monotonic()
        self._sampled = self._due = 0.0
        self._late: deque[float] = deque(maxlen=_REMEMBERED)
        self._timer: asyncio.TimerHandle | None = None
        self.lags = Histogram()

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Beat until the application ends."""
        self._figures.sample()
        self._sampled = time.perf_counter()
        self._set()
        yield
        if self._timer is not None:
            self._timer.cancel()

    def worst_s(self) -> float:
        """Give how late the latest beat of the last minute was, in seconds."""
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
            self._sampled = now
            self._figures.sample()
        self._set()


PULSE: Final = web.AppKey("pulse", Pulse)
