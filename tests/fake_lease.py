"""A lease in memory, at our own port, whose server can be out of reach or lose its answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from actors.errors import LeaseUnavailable
from actors.lease import Holder, LeaseView
from actors.lease.port import UNKNOWN


@dataclass
class LeaseServer:
    """Where the lease is kept; `reachable`, `loses_answers` and `takes_s` are the network's."""

    ttl_s: float
    reachable: bool = True
    loses_answers: bool = False
    takes_s: float = 0.0
    """Seconds that a call takes to be answered, or to be given up."""
    fault: str | None = None
    """What is wrong with what is in the lease's place, which nobody can take then."""
    note: str | None = None
    """What is odd about the lease's time."""
    holder: Holder | None = None
    _until: float = 0.0

    def ask(self) -> None:
        """Be asked, before anything is done."""
        if not self.reachable:
            raise LeaseUnavailable("no answer")

    def answer(self) -> None:
        """Answer, after what was asked is done."""
        if self.loses_answers:
            raise LeaseUnavailable("no answer")

    def held(self) -> Holder | None:
        """Return who holds the lease now."""
        if self.holder is not None and time.monotonic() >= self._until:
            self.holder = None
        return self.holder

    def give(self, holder: Holder) -> None:
        """Let `holder` have it for the TTL from now."""
        self.holder, self._until = holder, time.monotonic() + self.ttl_s

    def take_away(self) -> None:
        """Lose what is kept, as a flushed Redis does."""
        self.holder = None

    @property
    def left_s(self) -> float:
        """Seconds until the lease expires."""
        return max(0.0, self._until - time.monotonic())


@dataclass
class MemoryLease:
    """Implements `actors.lease.Lease` for one node."""

    server: LeaseServer
    name: str = "memory"
    _is_open: bool = False

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    async def acquire(self, holder: Holder) -> bool:
        await self._ask()
        held = self.server.held()
        won = self.server.fault is None and (held is None or held.token == holder.token)
        if won:
            self.server.give(holder)
        self.server.answer()
        return won

    async def renew(self, holder: Holder) -> bool:
        await self._ask()
        held = self.server.held()
        kept = held is not None and held.token == holder.token
        if kept:
            self.server.give(holder)
        self.server.answer()
        return kept

    async def release(self, holder: Holder) -> bool:
        await self._ask()
        held = self.server.held()
        had = held is not None and held.token == holder.token
        if had:
            self.server.take_away()
        self.server.answer()
        return had

    async def view(self) -> LeaseView | None:
        await self._ask()
        if self.server.fault is not None:
            return LeaseView(UNKNOWN, None, self.server.fault)
        held = self.server.held()
        return None if held is None else LeaseView(held, self.server.left_s, None, self.server.note)

    async def clear_stuck(self) -> int:
        await self._ask()
        return 0

    async def _ask(self) -> None:
        if not self._is_open:
            raise LeaseUnavailable("it is not open")
        await asyncio.sleep(self.server.takes_s)
        self.server.ask()
