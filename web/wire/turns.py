"""Share the event loop: long work on it goes in turns."""

from __future__ import annotations

import asyncio
import time
from typing import Final

_TURN_S: Final = 0.002


class Turns:
    """Has others go on whenever the work took its turn."""

    def __init__(self) -> None:
        self._end = time.perf_counter() + _TURN_S

    async def share(self) -> None:
        """Let others go on if it is time; call it between pieces shorter than a turn."""
        if time.perf_counter() >= self._end:
            await asyncio.sleep(0)
            self._end = time.perf_counter() + _TURN_S
