"""Large replies are handed to the system one after the other."""

from __future__ import annotations

import asyncio
from typing import Final

LARGE: Final = 65_536
"""Bytes of a reply from which handing it to the system takes tenths of a millisecond or more; of
a smaller one the system takes most, read or not."""
_TURN_S: Final = 0.004
"""Between two of them: one of half a megabyte takes 2 ms, so that half of the time is left."""


class ReplyPace:
    """Has large replies sent one after the other, with time for all else between them.

    Two hundred at once, of half a megabyte each, kept the loop and with it the interpreter's lock
    for 1.5 s, in which a thread that commits got no further than one update in half a second.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._next = 0.0

    async def wait(self, size: int) -> None:
        """Return when a reply of `size` bytes may go: at once if small, or if none was before."""
        if size < LARGE:
            return
        loop = asyncio.get_running_loop()
        async with self._lock:
            await asyncio.sleep(self._next - loop.time())
            self._next = loop.time() + _TURN_S
