"""A circuit breaker: an address that keeps failing is left alone for a while, then probed once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Opens after `failures` in a row; after `open_s` seconds one call at a time may try again."""

    def __init__(
        self, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """Return whether calls go through, none does, or one may."""
        if self._failures < self._limit:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    def admit(self) -> bool:
        """Let a call through, or not; one that is let through must report how it ended."""
        state = self.state
        if state == "half-open" and not self._probing:
            self._probing = True
            return True
        return state == "closed"

    def succeed(self) -> None:
        """Note that the address answered."""
        self._failures = 0
        self._probing = False

    def fail(self) -> None:
        """Note that it did not, or that it can't serve."""
        self._probing = False
        self._failures += 1
        if self._failures >= self._limit:
            self._open_until = self._clock() + self._open_s

    def abandon(self) -> None:
        """Note that nobody waited for the answer long enough to judge."""
        self._probing = False
