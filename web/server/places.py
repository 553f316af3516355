"""Places for connections: how many there are, and who has to leave when they run out."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

from web.cluster.hop import FORWARDED_BY

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.http import RawRequestMessage

    from web.wire.cuts import Reason

_KEPT: Final = 32
_NEW_S: Final = 1.0
"""A connection that is younger may have its first request under way."""
_IDLE_S: Final = 10.0
_PROBES: Final = frozenset({"/health", "/livez", "/readyz"})


class Entry(Enum):
    """What becomes of a connection at first."""

    SEATED = auto()
    """It has a place of its own."""
    WAITING = auto()
    """It has a kept place, until it says what it wants."""
    REFUSED = auto()


class Occupant(Protocol):
    """A connection, as its place sees it."""

    def cut(self, reason: Reason) -> None:
        """Close it at once."""
        ...

    def turn_away(self) -> None:
        """Close it, saying that there is no place."""
        ...


class Places:
    """`most` places, and a few more that are kept for those who must get through.

    When all are taken, a newcomer waits in one of the kept ones until it has said what it wants.
    Then it takes the place of a connection that has said nothing yet, or nothing for 10 s. Where
    there is none, a probe or a call that another node forwards is answered all the same, and
    anybody else is turned away. Who says nothing there makes room for the next.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self.kept = min(_KEPT, max(1, most // 8))
        self._seated: set[Occupant] = set()
        self._silent: dict[Occupant, float] = {}
        """Seated and without a request so far, since when; the longest first."""
        self._idle: dict[Occupant, float] = {}
        """Seated and without a request since the last one."""
        self._newcomers: dict[Occupant, None] = {}
        """In a kept place, and have not said what they want."""
        self._guests: set[Occupant] = set()
        """In a kept place, and being answered."""

    @property
    def inside(self) -> int:
        """Connections with a place of their own."""
        return len(self._seated)

    def enter(self, one: Occupant) -> Entry:
        """Let a connection in, or have it wait; refuse it when even the kept places are taken."""
        if self.inside < self.most:
            self._seated.add(one)
            self._silent[one] = self._clock()
            return Entry.SEATED
        if len(self._newcomers) + len(self._guests) >= self.kept:
            oldest = next(iter(self._newcomers), None)
            if oldest is None:
                return Entry.REFUSED
            self.leave(oldest)
            oldest.turn_away()
        self._newcomers[one] = None
        return Entry.WAITING

    def begin(self, one: Occupant, message: RawRequestMessage | None) -> bool:
        """Note that a request is there, None if it can't be read; False when it finds no place."""
        if one not in self._newcomers:
            self._silent.pop(one, None)
            self._idle.pop(one, None)
            return True
        del self._newcomers[one]
        if self.inside < self.most or self._make_room():
            self._seated.add(one)
            return True
        self._guests.add(one)
        return message is not None and _must_get_through(message)

    def may_stay(self, one: Occupant) -> bool:
        """Return whether it has a place of its own, and may ask again."""
        return one in self._seated

    def rest(self, one: Occupant) -> None:
        """Note that all that was asked is answered."""
        if one in self._seated:
            self._idle[one] = self._clock()

    def leave(self, one: Occupant) -> None:
        """Let a connection out."""
        self._seated.discard(one)
        self._guests.discard(one)
        for each in (self._silent, self._idle, self._newcomers):
            each.pop(one, None)

    def _make_room(self) -> bool:
        now = self._clock()
        silent = _first_since(self._silent, now - _NEW_S)
        found = silent or _first_since(self._idle, now - _IDLE_S)
        if found is None:
            return False
        self.leave(found)
        found.cut("silent" if silent else "idle")
        return True


def _first_since(those: dict[Occupant, float], moment: float) -> Occupant | None:
    first = next(iter(those), None)
    return first if first is not None and those[first] <= moment else None


def _must_get_through(message: RawRequestMessage) -> bool:
    path = message.path.partition("?")[0]
    return path.rstrip("/") in _PROBES or FORWARDED_BY in message.headers
