"""The front doors of a database, by what each writes there; one of them keeps what all look at."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.store.shards import Member, Members

PRESENT_S: Final = 5.0
"""Seconds without a sign after which a front door is gone."""
_ANSWERS_S: Final = 2.0
_AWAY: Final = (StoreUnavailable, OutcomeUnknown, StoreRejected, TimeoutError)


class Doors:
    """Implements `actors.engine.Roster`.

    The first by name keeps the past. For a moment two may take themselves for it, or none: what
    is kept is read by people, and no order depends on it.
    """

    def __init__(self, me: Member, members: Callable[[], Members]) -> None:
        """With `members`, which gives what the store has once it is open."""
        self._me, self._members = me, members
        self._present: Sequence[Member] = ()
        self._seen_at = 0.0
        self._terms = 0
        self.term = 0
        """See `actors.engine.Roster`."""

    def others(self) -> Sequence[Member]:
        """Return the other front doors."""
        return [each for each in self._present if each.node != self._me.node]

    async def look(self) -> None:
        """Give a sign, and see who else is there."""
        try:
            async with asyncio.timeout(_ANSWERS_S):
                self._present = await self._members().beat(self._me, PRESENT_S)
            self._seen_at = time.monotonic()
        except _AWAY:
            if time.monotonic() - self._seen_at > PRESENT_S:
                self._present = ()
        if not self._present or self._present[0].node != self._me.node:
            self.term = 0
        elif not self.term:
            self._terms += 1
            self.term = self._terms

    async def leave(self) -> None:
        """Be gone at once."""
        self._present, self.term = (), 0
        with suppress(*_AWAY):
            async with asyncio.timeout(_ANSWERS_S):
                await self._members().leave(self._me)
