"""Let the event loop's other tasks go on in the middle of long work."""

from __future__ import annotations

import asyncio
import time
from typing import Final

_EVERY_S: Final = 0.002


class Pauses:
    """Pauses of one piece of work, after each 2 ms of it."""

    def __init__(self) -> None:
        self._next = time.perf_counter() + _EVERY_S

    async def pause_if_due(self) -> None:
        """Let others go on if it is time; call it between steps that are shorter than that."""
        if time.perf_counter() >= self._next:
            await asyncio.sleep(0)
            self._next = time.perf_counter() + _EVERY_S
