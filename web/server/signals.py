"""Being told to stop: the first signal asks for a drain; a second, or its time, ends it at once."""

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
_NOT_FINISHED: Final = 1


class StopSignals:
    """SIGTERM and SIGINT, from `install` on.

    Before an exit at once `last_words` is given the cause, to flush the logs. It runs in a thread
    of its own, so neither a stuck loop nor a lock that the main thread holds can keep the process
    alive.
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

    def exit_after(self, seconds: float) -> None:
        """End the process at once, with code 1, if it is still there after that time."""
        timer = threading.Timer(seconds, self._exit, ("SHUTDOWN_S is over", _NOT_FINISHED))
        timer.daemon = True
        timer.start()

    def _first(self, signum: signal.Signals) -> None:
        self.name = signum.name
        self._asked.set()
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
            # Not the loop's handler: this one is called even when the loop is stuck.
            signal.signal(each, self._second)

    def _second(self, signum: int, _frame: object) -> None:
        words = (signal.Signals(signum).name, _SIGNAL_EXIT + signum)
        threading.Thread(target=self._exit, args=words, daemon=True).start()

    def _exit(self, cause: str, code: int) -> None:
        try:
            self._last_words(cause)
        finally:
            os._exit(code)
