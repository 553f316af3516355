"""Looks which alarms hold: now, for whoever asks, and each five seconds, to know since when."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aiohttp import web

from actors.domain.model import WorkOrderId
from actors.errors import NotOwner, StoreUnavailable
from actors.operators.job_admin import LATEST_DEAD_LETTER
from web.observe.alarms.conditions import (
    CAUSES,
    NAMED,
    RULES,
    Finding,
    LastFailure,
    Severity,
    Situation,
    findings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.engine import Actors
    from actors.operators.rows import LongestWait
    from web.app_context import AppContext
    from web.cluster.fleet import Fleet
    from web.cluster.peer import PeerHealth

_STORE_S: Final = 0.5
"""What a store that hangs may take of an operator's time."""
_PLACE: Final = {rule.code: number for number, rule in enumerate(RULES)}
_REMEMBERED_S: Final = 300.0
"""How long a cause that is over is told with what followed from it."""
_JOBS_EVERY_S: Final = 5.0
"""However many consoles are open, the store is asked this often."""


class Alarm(NamedTuple):
    """An alarm that holds, and for how many seconds it has, as far as this node knows.

    `over_s` says for how many seconds what it tells is over, None while it goes on; below it are
    the alarms that follow from it.
    """

    finding: Finding
    since_s: float
    over_s: float | None = None
    consequences: tuple[Alarm, ...] = ()

    @property
    def severity(self) -> Severity:
        """Its own, or that of the worst that follows from it."""
        all_of_it = (self, *self.consequences)
        worst = any(each.finding.rule.severity == "critical" for each in all_of_it)
        return "critical" if worst else "warning"

    @property
    def is_worth_a_word(self) -> bool:
        """Whether it is told although it is over."""
        below = (each.over_s is None or each.finding.rule.within_s for each in self.consequences)
        return bool(self.finding.rule.within_s or any(below))


class Owners(Protocol):
    """Who serves the updates that come here."""

    def owner(self) -> PeerHealth | None:
        """Return the node that does; None when none does, or not for all orders."""
        ...

    def owners(self) -> Sequence[PeerHealth | None]:
        """Return for each shard the node that serves it."""
        ...

    def trouble(self) -> str | None:
        """Say why updates can't be handed to an owner; None when they can, or there is none."""
        ...


class Alarms:
    """The alarms of one node."""

    def __init__(self, context: AppContext, owners: Owners, fleet: Fleet) -> None:
        self._context, self._owners, self._fleet = context, owners, fleet
        self._first_seen: dict[str, float] = {}
        self._last_so: dict[str, float] = {}
        """When each was last so (monotonic seconds), of those that are not forgotten yet."""
        self._causes: dict[str, Alarm] = {}
        """Causes as they were told last."""
        self._failure: LastFailure | None = None
        self._asked_at = -_JOBS_EVERY_S
        self._numbers: dict[str, str] = {}
        """What people call the orders that were named last; of one without a number its id."""

    def note(self) -> None:
        """Look at what needs no asking."""
        if self._context.node.started:
            self._dated(self._situation(None))

    async def look(self) -> list[Alarm]:
        """Return the alarms that hold, the critical ones first, each cause with what follows."""
        inspector, oldest = self._inspector(), None
        if inspector is not None:
            oldest = (await inspector.summary()).longest
            await self._ask_for_failures()
        alarms = self._dated(self._situation(oldest))
        if await self._ask_for_numbers(alarms):
            alarms = self._dated(self._situation(oldest))
        called = [each._replace(finding=each.finding.called(self._numbers)) for each in alarms]
        return folded(called)

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
            numbers=self._numbers,
            fleet=self._fleet.state(),
            away=self._away(),
            last_refusal=partial(node.telemetry.journal.last, "refused"),
            oddities=node.telemetry.oddities,
            guard_broken=next(reversed(node.telemetry.guards.latest), None),
        )

    def _away(self) -> tuple[int, ...]:
        owners = self._owners.owners()
        away = tuple(shard for shard, owner in enumerate(owners) if owner is None)
        return away if len(away) < len(owners) else ()

    def _inspector(self) -> Actors | None:
        try:
            return self._context.node.inspector()
        except NotOwner:
            return None

    def _dated(self, situation: Situation) -> list[Alarm]:
        """Say of each since when, or for how long it is over; forget those that hold no more."""
        now, before = time.monotonic(), self._first_seen
        self._first_seen = {}
        alarms = []
        for each in findings(situation):
            code, since_s, over_s = each.rule.code, each.since_s, None
            if since_s is None:
                self._first_seen[code] = first = before.get(code, now)
                since_s = now - first
            if each.rule.goes_on(situation):
                self._last_so[code] = now
            else:
                over_s = now - self._last_so.setdefault(code, now)
            alarms.append(Alarm(each, since_s, over_s))
        held = {each.finding.rule.code for each in alarms}
        for code, alarm in list(self._causes.items()):
            over_s = now - self._last_so.get(code, now)
            if code not in held and over_s < _REMEMBERED_S:
                alarms.append(alarm._replace(over_s=over_s))
            elif code not in held:
                del self._causes[code]
        self._causes |= {
            each.finding.rule.code: each
            for each in alarms
            if each.over_s is None and each.finding.rule.code in CAUSES
        }
        alarms.sort(key=lambda each: _PLACE[each.finding.rule.code])
        return alarms

    async def _ask_for_numbers(self, alarms: Sequence[Alarm]) -> bool:
        """Look up what people call the orders that are named, each once; tell of any news."""
        node = self._context.node
        named = set[str]().union(*(each.finding.orders() for each in alarms))
        named.update(node.region.statistics().paused_orders[:NAMED])
        self._numbers = {each: self._numbers[each] for each in named if each in self._numbers}
        unknown = [WorkOrderId(each) for each in sorted(named - self._numbers.keys())]
        if not unknown or not node.status().store.ok:
            return False
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_STORE_S):
                found = await node.store.numbers(unknown)
                self._numbers |= {each: found.get(each, each) for each in unknown}
                return True
        return False

    async def _ask_for_failures(self) -> None:
        """Ask the store for the job that failed last; where it does not say, what it last said."""
        now = time.monotonic()
        node = self._context.node
        if now - self._asked_at < _JOBS_EVERY_S or not node.status().store.ok:
            return
        self._asked_at = now
        try:
            async with asyncio.timeout(_STORE_S):
                found = await node.store.inbox.page(LATEST_DEAD_LETTER)
        except (StoreUnavailable, TimeoutError):
            return
        latest = next(iter(found.jobs), None)
        if latest is None:
            self._failure = None
            return
        code = latest.error.code if latest.error else "?"
        at = latest.finished_at or latest.received_at
        self._failure = LastFailure(found.total, latest.work_order_id, code, at)


def folded(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Put each alarm below the first cause of it, the critical ones first.

    One that goes on is no consequence of what is over.
    """
    held = {each.finding.rule.code: each for each in alarms}

    def root(each: Alarm) -> Alarm:
        causes = (held[code] for code in each.finding.rule.follows if code in held)
        for cause in causes:
            if each.over_s is not None or cause.over_s is None:
                return root(cause)
        return each

    below: dict[str, list[Alarm]] = {}
    for each in alarms:
        if (cause := root(each)) is not each:
            below.setdefault(cause.finding.rule.code, []).append(each)
    told = [
        each._replace(consequences=tuple(below.get(each.finding.rule.code, ())))
        for each in alarms
        if root(each) is each
    ]
    # What is over at once, and had no consequence, is not worth a word.
    told = [each for each in told if each.over_s is None or each.is_worth_a_word]
    return sorted(told, key=lambda each: each.severity != "critical")


ALARMS: Final = web.AppKey("alarms", Alarms)
