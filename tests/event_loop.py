"""The event loop of a test: what it leaves half closed ends with it, and its clock can jump."""

from __future__ import annotations

import asyncio


class LoopOfTests(asyncio.SelectorEventLoop):
    """Cuts off, at its end, connections that are being closed and whose peer took not all.

    asyncio waits for the peer, and the collector would find them in a later test, or, on a slow
    machine, find others that were just about to end. Those that nobody closed still fail.
    """

    _skipped_s = 0.0

    def time(self) -> float:
        """Return its clock; `time.monotonic` is another one once some of this was skipped."""
        return super().time() + self._skipped_s

    def skip(self, seconds: float) -> None:
        """Have so many seconds be over: timers that end within them are due next."""
        self._skipped_s += seconds

    def close(self) -> None:
        """End, with the connections that are being closed."""
        if not self.is_closed():
            for each in list(self._transports.values()):  # type: ignore[attr-defined]
                if each.is_closing():
                    each.abort()
            self.run_until_complete(asyncio.sleep(0))
        super().close()
