"""How many nodes there are, how many there should be, and which are gone: known to the owner.

What it learns is kept in the store, so that the next owner knows of the one before.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable
from actors.store.records import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.engine import Engine
    from web.cluster.neighbours import Neighbours

LOOKED_EVERY_S: Final = 5.0
_STEADY: Final = 12
"""Looks, of a minute: nodes that come and go as they are replaced are not more nodes."""
_MISSING_S: Final = 15.0
"""A node that is silent for so long is gone, and an owner this young has not heard all of them."""
_KEPT: Final = timedelta(days=7)
_SAVED_EVERY_S: Final = 60.0
_STORE_S: Final = 1.0
_NODES: Final = "node"
_MOST: Final = "nodes"
_MAX: Final = 200

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A node that was here, and when it was last heard."""

    node: str
    url: str
    version: str | None
    heard: datetime | None
    """None where it never was."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """How many nodes are here and should be, and those that were here in the last week."""

    present: int
    expected: int
    gone: tuple[Seen, ...] = ()
    """The latest first; without those whose address another node has now."""
    missing_s: float = 0.0
    """For how many seconds there have been too few."""


class Fleet:
    """Counts the nodes while this node is the owner; `expected` is how many there should be.

    None stands for the most that there were at once, for a minute, in the last week.
    """

    def __init__(
        self, node: Engine, neighbours: Neighbours, version: str, expected: int | None
    ) -> None:
        self._node, self._neighbours = node, neighbours
        self._version, self._expected = version, expected
        self._seen: dict[str, Seen] = {}
        self._days: dict[str, int] = {}
        """The most nodes at once, by day."""
        self._counts: deque[int] = deque(maxlen=_STEADY)
        self._epoch = 0
        """Of the term for which the store's knowledge was read."""
        self._owner_since = self._whole_at = self._saved_at = 0.0

    def state(self) -> FleetState | None:
        """Tell how many nodes there are; None on a node that is not the owner."""
        now, epoch = time.monotonic(), term_of(self._node)
        if not epoch:
            return None
        here = self._here()
        most = max((1, *self._days.values())) if self._expected is None else self._expected
        names, addresses = {each.node for each in here}, {each.url for each in here}
        gone = [
            each
            for name, each in self._seen.items()
            if name not in names and each.url not in addresses
        ]
        gone.sort(key=_when, reverse=True)
        young = self._epoch != epoch or now - self._owner_since < _MISSING_S
        missing_s = 0.0 if young or len(here) >= most else now - self._whole_at
        return FleetState(len(here), most, tuple(gone), missing_s)

    def _here(self) -> list[Seen]:
        status, now = self._node.status(), datetime.now(UTC)
        mine = Seen(status.node, status.url, self._version, now)
        others = (
            Seen(each.node, each.url, each.version, now) for each in self._neighbours.present()
        )
        return [mine, *others]

    async def look(self) -> None:
        """Count the nodes once, and keep what is new."""
        epoch = term_of(self._node)
        if not epoch:
            self._epoch = 0
            return
        if self._epoch != epoch:
            await self._begin(epoch)
        now = time.monotonic()
        here = self._here()
        self._seen |= {each.node: each for each in here}
        self._counts.append(len(here))
        steady = min(self._counts) if len(self._counts) == _STEADY else 0
        today = datetime.now(UTC).date().isoformat()
        grown = steady > self._days.get(today, 0)
        if grown:
            self._days[today] = steady
        state = self.state()
        if state is None or state.present >= state.expected:
            self._whole_at = now
        if grown or now - self._saved_at >= _SAVED_EVERY_S:
            self._saved_at = now
            await self._save(here, today)

    async def _begin(self, epoch: int) -> None:
        """Learn what earlier owners knew, and who they were, as one may have told nothing."""
        since = datetime.now(UTC) - _KEPT
        records = self._node.store.records
        nodes = await records.read(_NODES, limit=_MAX, since=since)
        days = await records.read(_MOST, limit=_MAX, since=since)
        for each in nodes:
            url, version = each.fields.get("url"), each.fields.get("version")
            self._seen.setdefault(each.name, Seen(each.name, str(url), version, each.at))
        # Where nodes do not own orders, owners are other processes.
        owners = self._node.ownership().seen if self._node.roster is None else ()
        for owner, after in pairwise(owners):
            self._seen.setdefault(owner.node, Seen(owner.node, owner.url, None, after.since))
        self._days = {
            each.name: count for each in days if isinstance(count := each.fields.get("count"), int)
        }
        self._epoch, self._owner_since = epoch, time.monotonic()
        self._whole_at = self._owner_since
        self._counts.clear()

    async def _save(self, here: list[Seen], today: str) -> None:
        records, now = self._node.store.records, datetime.now(UTC)
        kept = [
            Record(_NODES, each.node, now, {"url": each.url, "version": each.version})
            for each in here
        ]
        if today in self._days:
            kept.append(Record(_MOST, today, now, {"count": self._days[today]}))
        await records.put(kept)
        oldest = now - _KEPT
        self._seen = {name: each for name, each in self._seen.items() if _when(each) >= oldest}
        self._days = {day: n for day, n in self._days.items() if day >= oldest.date().isoformat()}
        await records.trim(_NODES, oldest)
        await records.trim(_MOST, oldest)

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Look again and again until the application ends."""
        watching = asyncio.create_task(self._watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOKED_EVERY_S)
            if not self._node.started:
                continue
            try:
                async with asyncio.timeout(_STORE_S):
                    await self.look()
            except (StoreUnavailable, OutcomeUnknown, StoreRejected, TimeoutError):
                pass  # it is looked at again, and the store has an alarm of its own
            except Exception:  # noqa: BLE001 -- one bad look must not be the last
                _log.exception("fleet_watch_failed")


def term_of(node: Engine) -> int:
    """Return the epoch in which this node keeps what all nodes should know; 0 while it does not.

    The owner does; with several shards, the owner of the first. Where the actors are in processes
    of their own, the nodes agree on one of them.
    """
    if node.roster is not None:
        return node.roster.term
    first = node.parts[0].status()
    return first.epoch if first.node == node.node_id else 0


def _when(each: Seen) -> datetime:
    return each.heard or datetime.min.replace(tzinfo=UTC)


FLEET: Final = web.AppKey("fleet", Fleet)
