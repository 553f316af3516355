"""Being told to stop: the first signal asks for a drain, the second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SIGNAL_EXIT: Final = 128


class StopSignals:
    """SIGTERM and SIGINT, from `install` on; `last_words` runs before an exit at once.

    `last_words` (flush the logs) runs in a thread of its own, so neither a stuck loop nor a lock
    that the main thread holds can keep the process alive.
    """

    def __init__(self, last_words: Callable[[str], None]) -> None:
        self._last_words = last_words
        self._asked = asyncio.Event()
        self.name = ""
        """The signal that asked for the stop, "" before."""

    def install(self) -> None:
        """Take the signals; on the running loop, in the main thread."""
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self._first, signum)

    async def wait(self) -> None:
        """Return when the first signal has come."""
        await self._asked.wait()

    def _first(self, signum: signal.Signals) -> None:
        self.name = signum.name
        self._asked.set()
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
            # Not the loop's handler: this one is called even when the loop is stuck.
            signal.signal(each, self._second)

    def _second(self, signum: int, _frame: object) -> None:
        threading.Thread(target=self._exit, args=(signum,), daemon=True).start()

    def _exit(self, signum: int) -> None:
        try:
            self._last_words(signal.Signals(signum).name)
        finally:
            os._exit(_SIGNAL_EXIT + signum)
