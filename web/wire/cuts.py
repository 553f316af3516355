"""Connections that were cut off: counted by reason, and told without filling the log."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import structlog
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

Reason: TypeAlias = Literal["slow", "silent", "idle", "full", "unread", "room"]
"""The head took too long; no request, or none again, while places were wanted; no place; nothing
was taken of a reply for too long, or while the memory for replies was wanted."""
REASONS: Final[tuple[Reason, ...]] = ("slow", "silent", "idle", "full", "unread", "room")
_TOLD_EVERY_S: Final = 10.0

_log = structlog.get_logger(__name__)


class Cuts:
    """Counts them. Each reason is in the log at once, then every 10 s at most, with a count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[Reason] = Counter()
        self._clock = clock
        self._told: dict[Reason, tuple[float, int]] = {}

    def note(self, reason: Reason, remote: object) -> None:
        """Count one of `remote`, the peer's address."""
        self.counts[reason] += 1
        count, now = self.counts[reason], self._clock()
        at, before = self._told.get(reason, (now - _TOLD_EVERY_S, 0))
        if now - at >= _TOLD_EVERY_S:
            self._told[reason] = (now, count)
            _log.warning("connections_cut", reason=reason, remote=remote, count=count - before)


CUTS: Final = web.AppKey("cuts", Cuts)
