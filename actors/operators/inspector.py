"""What operators see of the live actors; looked at in slices, so that no look stalls the loop.

A look is not one moment: actors go on between the slices. What idles costs next to nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from itertools import filterfalse
from typing import TYPE_CHECKING, Final

from actors.domain.model import WorkOrderId
from actors.operators.pages import called, cut
from actors.operators.rows import (
    ActorQuery,
    ActorRow,
    ActorState,
    ActorView,
    Hot,
    LongestWait,
    Sort,
    Summary,
)
from actors.runtime.delivery import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.commit.committer import Committer
    from actors.runtime.directory import Directory
    from actors.runtime.mailbox import Mailbox
    from actors.telemetry.journal import Event, OrderLoad
    from actors.telemetry.telemetry import Telemetry

_SLICE: Final = 1_000
_LATEST: Final = 50


@dataclass(frozen=True, slots=True)
class _Busy:
    state: ActorState
    depth: int
    oldest_s: float


class ActorInspector:
    """Looks at the actors of the present term, and never changes anything."""

    def __init__(self, directory: Directory, committer: Committer, telemetry: Telemetry) -> None:
        self._directory = directory
        self._committer = committer
        self._telemetry = telemetry
        self._window_s = 1.0

    # -- all of them -------------------------------------------------------------------------

    async def summary(self) -> Summary:
        """Count actors by state, and what waits for them."""
        busy = await self._busy()
        states = dict.fromkeys(map(str, ActorState), 0)
        for each in busy.values():
            states[each.state] += 1
        states[ActorState.IDLE] = len(self._directory) - sum(states.values())
        return Summary(
            states,
            sorted(each.depth for each in busy.values() if each.depth),
            self._longest(busy),
            len(self._committer.outboxes),
            self.unlogged,
        )

    @property
    def unlogged(self) -> int:
        """Count the entries that are committed and not yet in the log."""
        return len(self._committer.ledger)

    def _longest(self, busy: dict[WorkOrderId, _Busy]) -> LongestWait | None:
        waits = {
            order_id: each.oldest_s
            for order_id, each in busy.items()
            if each.state is not ActorState.PAUSED and order_id in self._directory.made
        }
        order_id = max(waits, key=waits.__getitem__, default=None)
        if order_id is None:
            return None
        return LongestWait(order_id, self._directory.made[order_id].label, waits[order_id])

    async def page(self, query: ActorQuery) -> tuple[int, list[ActorRow]]:
        """Return how many actors fit the query, and the page of them."""
        busy = await self._busy()
        loads = await self._loads()
        ranked = await _ranked(query.sort, busy, loads)
        live = self._directory.refs
        first = [each for each in ranked if each in live]
        start = (query.page - 1) * query.page_size
        if query.state is None and not query.search:
            found = self._window(first, start, start + query.page_size, query)
            return len(live), self._rows(found, busy, loads)
        ids = await self._fitting(first, query, busy)
        if not query.descending:
            ids.reverse()
        return len(ids), self._rows(ids[start : start + query.page_size], busy, loads)

    async def hot(self, count: int) -> Hot:
        """Return those with the most waiting, the longest times and the most updates."""
        busy = await self._busy()
        loads = await self._loads()

        async def most(*values: dict[WorkOrderId, float]) -> list[ActorRow]:
            found: dict[WorkOrderId, float] = {}
            for each in values:
                await asyncio.sleep(0)
                # More than are shown: some may be gone by now.
                for order_id in nlargest(4 * count, each, key=each.__getitem__):
                    found[order_id] = max(found.get(order_id, 0.0), each[order_id])
            best = sorted(found, key=found.__getitem__, reverse=True)
            return self._rows(best, busy, loads)[:count]

        return Hot(
            await most({order_id: each.depth for order_id, each in busy.items() if each.depth}),
            await most(
                {
                    order_id: each.oldest_s
                    for order_id, each in busy.items()
                    if each.state is not ActorState.PAUSED
                },
                {order_id: load.mean_s for order_id, load in loads.items()},
            ),
            await most({order_id: load.updates for order_id, load in loads.items()}),
        )

    async def _busy(self) -> dict[WorkOrderId, _Busy]:
        """Look at the actors that are not idle; those that are by now are crossed out."""
        found: dict[WorkOrderId, _Busy] = {}
        gate = self._directory.gate
        for number, mailbox in enumerate(tuple(gate.busy), 1):
            if number % _SLICE == 0:
                await asyncio.sleep(0)
            order_id = _order_of(mailbox)
            seen = self._look(mailbox, order_id)
            if seen.state is not ActorState.IDLE:
                if order_id in self._directory.refs:
                    found[order_id] = seen
            elif mailbox.actor is not None:
                gate.busy.discard(mailbox)
        return found

    def _look(self, mailbox: Mailbox, order_id: WorkOrderId) -> _Busy:
        current = mailbox.actor.current if mailbox.actor is not None else None
        depth = len(mailbox)
        if current is not None:
            delayed = current.stage is Stage.DELAYED
            state = ActorState.DELAYED if delayed else ActorState.ACTIVE
        elif not depth:
            state = ActorState.IDLE
        elif not mailbox.gate.open or order_id in self._directory.paused:
            state = ActorState.PAUSED
        else:
            state = ActorState.DELAYED if mailbox.backs_off else ActorState.WAITING
        return _Busy(state, depth, _oldest_s(mailbox, paused=state is ActorState.PAUSED))

    async def _loads(self) -> dict[WorkOrderId, OrderLoad]:
        loads, self._window_s = await self._telemetry.journal.loads()
        return loads  # type: ignore[return-value]  # a journal knows ids as text

    def _window(
        self, first: list[WorkOrderId], start: int, end: int, query: ActorQuery
    ) -> list[WorkOrderId]:
        """Cut the page out of `first` and, behind it, all others, the last active before."""
        live, ranked, before = self._directory.refs, set(first), len(first)
        if query.descending:
            after = slice(max(0, start - before), max(0, end - before))
            return [*first[start:end], *cut(live, ranked, after.start, after.stop, backwards=True)]
        before = len(live) - len(first)
        rest = cut(live, ranked, start, end, backwards=False)
        return [*rest, *first[::-1][max(0, start - before) : max(0, end - before)]]

    async def _fitting(
        self, first: list[WorkOrderId], query: ActorQuery, busy: dict[WorkOrderId, _Busy]
    ) -> list[WorkOrderId]:
        """Return what fits: of `first`, then of all others, the last made before."""
        made, ranked, state = self._directory.made, set(first), query.state
        others = list(self._directory.refs if query.sort is Sort.ACTIVE else made)
        others.reverse()

        def in_state(order_ids: Iterable[WorkOrderId]) -> Iterable[WorkOrderId]:
            match state:
                case None:
                    return order_ids
                case ActorState.IDLE:
                    return filterfalse(busy.__contains__, order_ids)
                case _:
                    return (
                        each for each in order_ids if each in busy and busy[each].state is state
                    )

        def rest_in_state(order_ids: Iterable[WorkOrderId]) -> Iterable[WorkOrderId]:
            return in_state(filterfalse(ranked.__contains__, order_ids))

        return [
            *await called(first, made, query.search, in_state),
            *await called(others, made, query.search, rest_in_state),
        ]

    # -- one of them -------------------------------------------------------------------------

    def _rows(
        self,
        order_ids: Iterable[WorkOrderId],
        busy: dict[WorkOrderId, _Busy],
        loads: dict[WorkOrderId, OrderLoad],
    ) -> list[ActorRow]:
        rows = (self._row(order_id, busy, loads.get(order_id)) for order_id in order_ids)
        return [row for row in rows if row is not None]

    def _row(
        self, order_id: WorkOrderId, busy: dict[WorkOrderId, _Busy], load: OrderLoad | None
    ) -> ActorRow | None:
        mailbox = self._directory.made.get(order_id)
        if mailbox is None:
            return None  # passivated between two slices
        seen = busy.get(order_id) or _Busy(ActorState.IDLE, 0, 0.0)
        return ActorRow(
            order_id,
            mailbox.label,
            seen.state,
            seen.depth,
            seen.oldest_s,
            load.updates / self._window_s if load else 0.0,
            load.mean_s if load else 0.0,
            mailbox.handled,
            mailbox.failed,
            _moment(mailbox.last_put),
        )

    async def has(self, order_id: WorkOrderId) -> bool:
        """Return whether an order's actor is live."""
        return order_id in self._directory.made

    async def numbers(self, order_ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of those orders whose actors are live and have read them."""
        made = self._directory.made
        found = ((order_id, made[order_id].label) for order_id in order_ids if order_id in made)
        return {order_id: number for order_id, number in found if number}

    async def one(self, order_id: WorkOrderId) -> ActorView | None:
        """Look at one order's actor; None when it is not live."""
        loads = await self._loads()
        mailbox = self._directory.made.get(order_id)
        if mailbox is None or mailbox.actor is None:
            return None
        row = self._row(order_id, {order_id: self._look(mailbox, order_id)}, loads.get(order_id))
        if row is None:
            return None
        current = mailbox.actor.current
        change = getattr(current.message, "change", None) if current else None
        return ActorView(
            row,
            mailbox.actor.describe(),  # type: ignore[attr-defined]
            time.monotonic() - current.taken_at if current else None,
            change.job_id if change else None,
            order_id in self._directory.paused or not mailbox.gate.open,
            _moment(mailbox.created),
            mailbox.waited_s,
            mailbox.handling_s,
            self._committer.ledger.count(order_id),
            self._committer.outboxes.find(order_id) is not None,
        )

    async def latest(self, order_id: WorkOrderId) -> list[Event]:
        """Return what became of the order's latest updates on this node, newest first."""
        return await self._telemetry.journal.of(order_id, _LATEST)


async def _ranked(
    sort: Sort, busy: dict[WorkOrderId, _Busy], loads: dict[WorkOrderId, OrderLoad]
) -> list[WorkOrderId]:
    """Return the orders that have anything of what is sorted by, most of it first."""
    values: dict[WorkOrderId, float]
    match sort:
        case Sort.DEPTH:
            values = {order_id: each.depth for order_id, each in busy.items()}
        case Sort.OLDEST:
            values = {order_id: each.oldest_s for order_id, each in busy.items()}
        case Sort.RATE:
            values = {order_id: load.updates for order_id, load in loads.items()}
        case Sort.ACTIVE:
            return []
    await asyncio.sleep(0)
    return sorted(values, key=values.__getitem__, reverse=True)


def _oldest_s(mailbox: Mailbox, *, paused: bool) -> float:
    """Return the age of the oldest message, without its time in a pause that is over."""
    current, first = mailbox.actor.current if mailbox.actor else None, mailbox.first
    if current is not None:
        return time.monotonic() - current.waits_from
    if first is None:
        return 0.0
    return time.monotonic() - (first.enqueued_at if paused else mailbox.waits_from(first))


def _order_of(mailbox: Mailbox) -> WorkOrderId:
    # Without an actor only for the moment until a dead one's successor has it.
    return getattr(mailbox.actor, "order_id", WorkOrderId(""))


def _moment(monotonic: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=time.monotonic() - monotonic)
