"""Looks which alarms hold: now, for whoever asks, and each five seconds, to know since when."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aiohttp import web

from actors.domain.job import JobState
from actors.errors import NotOwner, StoreUnavailable
from web.observe.alarms.conditions import Finding, LastFailure, Situation, findings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.engine import Actors
    from actors.operators.rows import LongestWait
    from web.app_context import AppContext
    from web.cluster.peer import PeerHealth

_STORE_S: Final = 0.5
"""What a store that hangs may take of an operator's time."""
_LOOKED_AT: Final = 20
_JOBS_EVERY_S: Final = 5.0
"""However many consoles are open, the store is asked this often."""


class Alarm(NamedTuple):
    """An alarm that holds, and for how many seconds it has, as far as this node knows."""

    finding: Finding
    since_s: float


class Owners(Protocol):
    """Who serves the updates that come here."""

    def owner(self) -> PeerHealth | None:
        """Return the node that does; None when none does, or not for all orders."""
        ...

    def trouble(self) -> str | None:
        """Say why updates can't be handed to an owner; None when they can, or there is none."""
        ...


class Alarms:
    """The alarms of one node."""

    def __init__(self, context: AppContext, owners: Owners) -> None:
        self._context, self._owners = context, owners
        self._first_seen: dict[str, float] = {}
        self._failure: LastFailure | None = None
        self._asked_at = -_JOBS_EVERY_S
        self._number: tuple[str, str | None] = ("", None)
        """A paused order's id and number."""

    def note(self) -> None:
        """Look at what needs no asking."""
        if self._context.node.started:
            self._dated(findings(self._situation(None)))

    async def look(self) -> list[Alarm]:
        """Return the alarms that hold, the critical ones first."""
        inspector, oldest = self._inspector(), None
        if inspector is not None:
            oldest = (await inspector.summary()).longest
            await self._ask_for_number()
            await self._ask_for_failures()
        return self._dated(findings(self._situation(oldest)))

    def _situation(self, oldest: LongestWait | None) -> Situation:
        node = self._context.node
        status, inspector = node.status(), self._inspector()
        return Situation(
            status,
            served=self._owners.owner() is not None,
            reason=self._owners.trouble() or status.reason,
            statistics=node.region.statistics(),
            samples=node.telemetry.samples,
            stuck=node.telemetry.commits.stuck,
            ownership=node.ownership(),
            unlogged=inspector.unlogged if inspector is not None else 0,
            oldest=oldest,
            failure=self._failure if inspector is not None else None,
            paused_number=self._number[1],
            oddities=node.telemetry.oddities,
            guard_broken=next(reversed(node.telemetry.guards.latest), None),
        )

    def _inspector(self) -> Actors | None:
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

    async def _ask_for_number(self) -> None:
        """Look up what people call the first order that is paused alone, once."""
        node = self._context.node
        order_id = next(iter(node.region.statistics().paused_orders), None)
        if order_id is None:
            self._number = ("", None)
        elif order_id != self._number[0]:
            self._number = (order_id, None)
            if not node.status().store.ok:
                return
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(_STORE_S):
                    order = await node.store.detail(order_id)
                self._number = (order_id, order.get("workOrderNo") if order else None)

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
