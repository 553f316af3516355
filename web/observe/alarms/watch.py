"""Looks which alarms hold: now, for whoever asks, and each five seconds, to know since when."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import web

from actors.domain.job import JobState
from actors.errors import NotOwner, StoreUnavailable
from web.observe.alarms.conditions import NAMED, Finding, LastFailure, Situation, findings
from web.observe.pauses import numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.domain.model import WorkOrderId
    from actors.operators.inspector import ActorInspector
    from actors.operators.rows import LongestWait
    from web.app_context import AppContext
    from web.cluster.fleet import Fleet
    from web.cluster.peer import PeerWatch

_STORE_S: Final = 0.5
"""What a store that hangs may take of an operator's time."""
_LOOKED_AT: Final = 20
_JOBS_EVERY_S: Final = 5.0
"""However many consoles are open, the store is asked this often."""


class Alarm(NamedTuple):
    """An alarm that holds, and for how many seconds it has, as far as this node knows."""

    finding: Finding
    since_s: float


class Alarms:
    """The alarms of one node."""

    def __init__(self, context: AppContext, peers: PeerWatch, fleet: Fleet) -> None:
        self._context, self._peers, self._fleet = context, peers, fleet
        self._first_seen: dict[str, float] = {}
        self._failure: LastFailure | None = None
        self._asked_at = -_JOBS_EVERY_S
        self._numbers: dict[WorkOrderId, str] = {}
        """What people call the orders that are paused alone."""

    def note(self) -> None:
        """Look at what needs no asking."""
        if self._context.node.started:
            self._dated(findings(self._situation(None)))

    async def look(self) -> list[Alarm]:
        """Return the alarms that hold, the critical ones first."""
        inspector, oldest = self._inspector(), None
        if inspector is not None:
            oldest = (await inspector.summary()).longest
            await self._ask_for_numbers()
            await self._ask_for_failures()
        return self._dated(findings(self._situation(oldest)))

    def _situation(self, oldest: LongestWait | None) -> Situation:
        node = self._context.node
        status, inspector = node.status(), self._inspector()
        return Situation(
            status,
            served=status.serving or self._peers.health() is not None,
            reason=self._peers.trouble() or status.reason,
            statistics=node.region.statistics(),
            samples=node.telemetry.samples,
            stuck=node.telemetry.commits.stuck,
            ownership=node.ownership(),
            unlogged=inspector.unlogged if inspector is not None else 0,
            oldest=oldest,
            failure=self._failure if inspector is not None else None,
            paused_numbers=self._numbers,
            fleet=self._fleet.state(),
            oddities=node.telemetry.oddities,
        )

    def _inspector(self) -> ActorInspector | None:
        try:
            return self._context.node.inspector()
        except NotOwner:
            return None

    def _dated(self, found: Iterable[Finding]) -> list[Alarm]:
        """Say of each since when, and forget of those that hold no more."""
        now, before = time.monotonic(), self._first_seen
        self._first_seen = {}
        alarms = []
        for each in found:
            if each.since_s is not None:
                alarms.append(Alarm(each, each.since_s))
                continue
            first = self._first_seen[each.rule.code] = before.get(each.rule.code, now)
            alarms.append(Alarm(each, now - first))
        return alarms

    async def _ask_for_numbers(self) -> None:
        """Look up what people call the orders that are paused alone, each once."""
        node = self._context.node
        orders = node.region.statistics().paused_orders[:NAMED]
        self._numbers = {each: self._numbers[each] for each in orders if each in self._numbers}
        unknown = [each for each in orders if each not in self._numbers]
        if unknown and node.status().store.ok:
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(_STORE_S):
                    self._numbers |= await numbers_of(node.store, unknown)

    async def _ask_for_failures(self) -> None:
        """Ask the store for the job that failed last; where it does not say, what it last said."""
        now = time.monotonic()
        node = self._context.node
        if now - self._asked_at < _JOBS_EVERY_S or not node.status().store.ok:
            return
        self._asked_at = now
        try:
            async with asyncio.timeout(_STORE_S):
                total, jobs = await node.jobs.page(JobState.FAILED.value, None, 1, _LOOKED_AT)
        except (StoreUnavailable, TimeoutError):
            return
        failures = [
            LastFailure(total, job.work_order_id, job.error.code, job.finished_at, job.dead)
            for job, _ in jobs
            if job.finished_at is not None and job.error is not None
        ]
        self._failure = next((each for each in failures if each.dead), next(iter(failures), None))


ALARMS: Final = web.AppKey("alarms", Alarms)
