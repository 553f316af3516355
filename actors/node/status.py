"""What a node says about itself: its role, and the servers that it depends on."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from actors.errors import OutcomeUnknown, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = structlog.get_logger(__name__)
_TENURES = 20
_LATE = 1.2
"""Of the time for an answer: one missed by as much was missed by this loop."""


class Role(StrEnum):
    """The node's state; it goes round from standby to owner and back, draining is for good."""

    STANDBY = "standby"
    TAKING_OVER = "taking_over"
    OWNER = "owner"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A server that the node needs: `since_s` is how long it has been in this state."""

    name: str
    ok: bool
    detail: str
    since_s: float
    failures: int = 0
    """How often it did not answer, since the node started."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The node as `/health` shows it; `reason` says why updates can't be served."""

    node: str
    url: str
    role: Role
    epoch: int
    serving: bool
    reason: str | None
    store: Dependency
    lease: Dependency
    lease_holder: str | None
    lease_ttl_s: float | None
    paused: bool
    lease_note: str | None = None
    """What is odd about the lease's time, in words."""
    shards: tuple[NodeStatus, ...] = ()
    """Of each shard by itself, where there are several."""


@dataclass(frozen=True, slots=True)
class PartCounts:
    """What its owner counts of a part of the orders; `per_s` None where no rate is known."""

    waiting: int
    active: int
    delayed: int
    live_actors: int
    jobs: int
    unlogged: int
    """Entries that are committed and not yet in the log."""
    per_s: float | None
    """Updates that were done with, a second, lately."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """A node that owned the actors; `since` is when it was first seen to."""

    node: str
    url: str
    epoch: int
    since: datetime


@dataclass(slots=True)
class OwnershipHistory:
    """Who owned the actors lately, the oldest first, and how often this node did."""

    seen: deque[Tenure] = field(default_factory=lambda: deque(maxlen=_TENURES))
    taken_over: int = 0
    stepped_down: int = 0

    def note(self, node: str, url: str, epoch: int) -> None:
        """Note who owns the actors now; an epoch of 0 is not known yet."""
        last = self.seen[-1] if self.seen else None
        if epoch and (last is None or (last.node, last.epoch) != (node, epoch)):
            self.seen.append(Tenure(node, url, epoch, datetime.now(UTC)))


class Watched:
    """Whether a server answered last time, and since when it does or does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ok = False
        self.detail = "not asked yet"
        self.since = time.monotonic()
        self.failures = 0
        """How often it did not answer."""

    def answered(self) -> None:
        """Note that it answered."""
        self._turn(ok=True, detail="ok")

    def failed(self, error: Exception) -> None:
        """Note that it did not."""
        self.failures += 1
        self._turn(ok=False, detail=str(error))

    async def ask(self, ping: Callable[[], Awaitable[None]], limit_s: float) -> None:
        """Ask for a sign of life, within `limit_s`; one missed by our own loop counts for none."""
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(limit_s):
                await ping()
        except (StoreUnavailable, OutcomeUnknown) as error:
            self.failed(error)
        except TimeoutError:
            if time.monotonic() - asked_at < _LATE * limit_s:
                self.failed(StoreUnavailable("no answer to a ping"))
        else:
            self.answered()

    def _turn(self, *, ok: bool, detail: str) -> None:
        if ok is not self.ok:
            log = _log.info if ok else _log.warning
            log("dependency_up" if ok else "dependency_down", name=self.name, detail=detail)
            self.since = time.monotonic()
        self.ok, self.detail = ok, detail

    @property
    def down_s(self) -> float:
        """Seconds since it stopped answering, 0 while it answers."""
        return 0.0 if self.ok else time.monotonic() - self.since

    def view(self) -> Dependency:
        """Return the state as it is now."""
        since_s = time.monotonic() - self.since
        return Dependency(self.name, self.ok, self.detail, since_s, self.failures)
