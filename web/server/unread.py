"""A peer that takes nothing of what it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_PROGRESS: Final = 8_192
"""Bytes that it has to take in its time, so as not to count as one that takes nothing."""
_LOOKS: Final = 4
"""In that time."""


class UnreadWatch:
    """Calls `cut` once `unsent`, in bytes, has not shrunk by 8 KiB for `timeout_s`, or 1/4 more."""

    __slots__ = ("_cut", "_loop", "_timer", "_unsent", "_wait_s")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        unsent: Callable[[], int],
        cut: Callable[[], None],
    ) -> None:
        self._loop, self._wait_s = loop, timeout_s / _LOOKS
        self._unsent, self._cut = unsent, cut
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Watch from now on."""
        self._look_later(self._unsent(), 0)

    def end(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self, before: int, looks: int) -> None:
        self._timer = self._loop.call_later(self._wait_s, self._look, before, looks + 1)

    def _look(self, before: int, looks: int) -> None:
        unsent = self._unsent()
        if before - unsent >= _PROGRESS:
            self._look_later(unsent, 0)
        elif looks < _LOOKS:
            self._look_later(before, looks)
        else:
            self._timer = None
            self._cut()
