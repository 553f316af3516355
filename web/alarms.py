"""What is wrong now, as this node knows it: the console's alarms."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import web

from actors.census import ActorQuery, ActorState, Sort
from actors.errors import NotOwner, WorkOrderError
from actors.status import Role
from actors.store.inbox import JobState
from web.alarm_texts import ALARMS, span_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.census import ActorRow, Census
    from actors.node import Node
    from actors.rules import WorkOrderId
    from web.metrics import Traffic
    from web.pulse import Pulse
    from web.texts import Language

_COUNTED_EVERY_S: Final = 5.0
_REMEMBERED: Final = 121
"""Counts: ten minutes of them."""
_FIVE_MINUTES_S: Final = 300.0
_TEN_MINUTES_S: Final = 600.0
_QUARTER: Final = timedelta(minutes=15)
_STORE_S: Final = 1.0
_LOOKED_AT: Final = 20
_TOO_MANY: Final = 429
# As in config/deploy/prometheus/alerts.yml.
_LONG_WAIT_S: Final = 10.0
_FAILED: Final = 15
_UNANSWERED: Final = 5
_SLOW_COMMIT_S: Final = 1.0
_LATE_S: Final = 0.1
_MANY_ENTRIES: Final = 5000
_MANY_CHANGES: Final = 3
_NAMES: Final = {"mongodb": "MongoDB", "redis": "Redis", "sqlite": "SQLite"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is wrong; `since_s` is 0 where it is not known since when."""

    code: str
    since_s: float = 0.0
    took_s: float = 0.0
    """How slow or late something is."""
    count: int = 0
    server: str = ""
    reason: str = ""
    order_id: str | None = None
    order_no: str | None = None

    def words(self, language: Language) -> tuple[str, str]:
        """Say what is wrong, and what to do about it."""
        text = ALARMS[self.code]
        values = {
            "span": span_text(self.took_s or self.since_s, language),
            "count": self.count,
            "server": _NAMES.get(self.server, self.server),
            "reason": self.reason,
            "no": self.order_no or self.order_id,
        }
        column = language.name == "ENGLISH"
        return text.message[column].format(**values), text.advice[column].format(**values)


class _Counts(NamedTuple):
    clock: float
    failed: int
    full: int
    retries: int
    fenced: int
    relay_errors: int
    restarted: int


class Alarms:
    """Remembers ten minutes of counts, and tells what is wrong when asked."""

    def __init__(self, node: Node, pulse: Pulse, traffic: Traffic) -> None:
        self._node, self._pulse, self._traffic = node, pulse, traffic
        self._kept: deque[_Counts] = deque(maxlen=_REMEMBERED)
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Count until the application ends."""
        self._count()
        yield
        if self._timer is not None:
            self._timer.cancel()

    async def now(self) -> list[Alarm]:
        """Give what is wrong now: critical things first."""
        found = [*self._of_node(), *self._of_counts(), *await self._of_actors()]
        ranks = {
            code: (text.severity != "critical", number)
            for number, (code, text) in enumerate(ALARMS.items())
        }
        return sorted(found, key=lambda alarm: ranks[alarm.code])

    # -- what the node says of itself --------------------------------------------------------

    def _of_node(self) -> Iterator[Alarm]:
        status = self._node.status()
        if not status.store.ok:
            yield Alarm("STORE_DOWN", status.store.since_s, server=status.store.name)
        if not status.lease.ok:
            yield Alarm("LEASE_DOWN", status.lease.since_s, server=status.lease.name)
        if status.role is not Role.OWNER:
            yield Alarm("NO_OWNER", reason=status.reason or status.role.value)
        if status.paused:
            counts = self._node.region.statistics()
            yield Alarm("PAUSED", count=counts.waiting + counts.delayed)
        late_s = self._pulse.late_s()
        if late_s > _LATE_S:
            yield Alarm("LOOP_LATE", took_s=late_s)
        since = datetime.now(UTC) - _QUARTER
        changes = sum(each.since > since for each in self._node.tenures().seen)
        if changes > _MANY_CHANGES:
            yield Alarm("OWNER_CHANGES", count=changes)

    # -- what grew lately --------------------------------------------------------------------

    def _of_counts(self) -> Iterator[Alarm]:
        five, ten = self._grown(_FIVE_MINUTES_S), self._grown(_TEN_MINUTES_S)
        if five.failed > _FAILED:
            yield Alarm("UPDATES_FAIL", count=five.failed)
        if five.relay_errors:
            yield Alarm("LOG_REFUSES", count=five.relay_errors)
        if five.full:
            yield Alarm("REFUSED_FOR_ROOM", count=five.full)
        if five.retries > _UNANSWERED:
            yield Alarm("COMMITS_UNANSWERED", count=five.retries)
        if ten.fenced:
            yield Alarm("FENCED", count=ten.fenced)
        if ten.restarted:
            yield Alarm("ACTORS_CRASH", count=ten.restarted)
        slowest_s = self._node.region.figures.spreads()["commit"].p99_s
        if slowest_s > _SLOW_COMMIT_S:
            yield Alarm("COMMITS_SLOW", took_s=slowest_s)

    def _count(self) -> None:
        self._kept.append(self._counts())
        self._timer = asyncio.get_running_loop().call_later(_COUNTED_EVERY_S, self._count)

    def _counts(self) -> _Counts:
        figures = self._node.region.figures
        outcomes, calls = figures.outcomes.items(), self._traffic.calls.items()
        return _Counts(
            time.monotonic(),
            sum(count for (event, _), count in outcomes if event == "failed"),
            sum(count for (_, _, status), count in calls if status == _TOO_MANY),
            figures.commits.retries,
            figures.commits.fenced,
            figures.commits.relay_errors,
            figures.actors.restarted,
        )

    def _grown(self, within_s: float) -> _Counts:
        """Give by how much each count has grown over that time, or since the start."""
        now = self._counts()
        before = next((each for each in self._kept if now.clock - each.clock <= within_s), now)
        return _Counts(
            now.clock - before.clock,
            now.failed - before.failed,
            now.full - before.full,
            now.retries - before.retries,
            now.fenced - before.fenced,
            now.relay_errors - before.relay_errors,
            now.restarted - before.restarted,
        )

    # -- what the owner knows of its orders --------------------------------------------------

    async def _of_actors(self) -> list[Alarm]:
        try:
            census = self._node.census()
            return [
                *await self._waiting(census),
                *await self._paused(census),
                *await self._dead_letters(),
            ]
        except NotOwner:
            return []

    async def _waiting(self, census: Census) -> list[Alarm]:
        summary = await census.summary()
        found = []
        if summary.outbox_entries > _MANY_ENTRIES:
            found.append(Alarm("OUTBOXES_GROW", count=summary.outbox_entries))
        if summary.oldest_s <= _LONG_WAIT_S or self._node.region.paused:
            return found
        query = ActorQuery(1, _LOOKED_AT, Sort.OLDEST, descending=True, search="", state=None)
        _, rows = await census.page(query)
        for row in rows:
            # What waits because it is paused is told as that.
            if row.state is not ActorState.PAUSED and row.oldest_s > _LONG_WAIT_S:
                found.append(_of_order("UPDATES_WAIT", row, row.depth))
                break
        return found

    async def _paused(self, census: Census) -> list[Alarm]:
        ids = self._node.region.statistics().paused_orders
        if not ids or self._node.region.paused:
            return []
        views = [await census.one(each) for each in ids[:_LOOKED_AT]]
        rows = [view.row for view in views if view is not None]
        if not rows:
            number = await self._number(ids[0])
            return [Alarm("ORDERS_PAUSED", count=len(ids), order_id=ids[0], order_no=number)]
        oldest = max(rows, key=lambda row: row.oldest_s)
        return [_of_order("ORDERS_PAUSED", oldest, len(ids))]

    async def _number(self, order_id: WorkOrderId) -> str | None:
        """Look up the number of an order that is not in memory."""
        try:
            async with asyncio.timeout(_STORE_S):
                order = await self._node.store.detail(order_id)
        except (WorkOrderError, TimeoutError):
            return None
        return order.get("workOrderNo") if order else None

    async def _dead_letters(self) -> list[Alarm]:
        try:
            async with asyncio.timeout(_STORE_S):
                total, jobs = await self._node.jobs.page(JobState.FAILED.value, None, 1, _LOOKED_AT)
        except (WorkOrderError, TimeoutError):
            return []
        lately = datetime.now(UTC) - _QUARTER
        fresh = any(job.dead or (job.finished_at or lately) > lately for job, _ in jobs)
        return [Alarm("DEAD_LETTERS", count=total)] if fresh else []


def _of_order(code: str, row: ActorRow, count: int) -> Alarm:
    order_id, order_no = row.work_order_id, row.work_order_no
    return Alarm(code, row.oldest_s, count=count, order_id=order_id, order_no=order_no)


ALARMS_NOW: Final = web.AppKey("alarms_now", Alarms)
