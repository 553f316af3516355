"""What operators see of the live actors; looked at in slices, so that no look stalls the loop.

A look is not one moment: actors go on between the slices. What idles costs next to nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final

from actors.inbox import Stage
from actors.rules import WorkOrderId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.committer import Committer
    from actors.figures import Figures
    from actors.inbox import Mailbox
    from actors.journal import Happening, Load
    from actors.messages import OrderActorState
    from actors.supervisor import Directory

_SLICE: Final = 1_000
_LARGE_SLICE: Final = 10_000
_LATEST: Final = 50


class ActorState(StrEnum):
    """What an order's actor is about."""

    IDLE = "idle"
    WAITING = "waiting"
    """Something waits, and is about to be taken."""
    ACTIVE = "active"
    DELAYED = "delayed"
    """It waits for the store, or before it tries again."""
    PAUSED = "paused"
    """Something waits, and nothing may be taken."""


class Sort(StrEnum):
    """What a list of actors can be sorted by."""

    DEPTH = "depth"
    OLDEST = "oldest"
    RATE = "rate"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class ActorQuery:
    """One page of actors; `search` is the beginning of an id or a part of an order's number."""

    page: int = 1
    page_size: int = 20
    sort: Sort = Sort.DEPTH
    descending: bool = True
    search: str = ""
    state: ActorState | None = None


@dataclass(frozen=True, slots=True)
class ActorRow:
    """An order's live actor: times in seconds, the rate in updates per second, lately.

    `oldest_s` is the age of the oldest message that is not answered, `took_s` the mean time from
    arrival to answer, of the last minute.
    """

    work_order_id: WorkOrderId
    work_order_no: str | None
    state: ActorState
    depth: int
    oldest_s: float
    rate: float
    took_s: float
    handled: int
    failed: int
    last_active: datetime


@dataclass(frozen=True, slots=True)
class ActorView:
    """All that is known of one live actor. `busy_s` is how long it is at its present message."""

    row: ActorRow
    actor: OrderActorState
    busy_s: float | None
    job_id: str | None
    paused: bool
    made_at: datetime
    waited_s: float
    handling_s: float
    outbox: int
    """Outcomes that are committed and not yet in the log."""
    kept_outbox: bool
    """Whether the stored order carries an outbox that is still to be emptied."""


@dataclass(frozen=True, slots=True)
class Summary:
    """All live actors; the depths are of those mailboxes in which something waits."""

    states: dict[str, int]
    depths: Sequence[int]
    """Ascending."""
    oldest_s: float
    outboxes: int
    outbox_entries: int


@dataclass(frozen=True, slots=True)
class Hot:
    """The actors that stand out."""

    deepest: list[ActorRow]
    slowest: list[ActorRow]
    busiest: list[ActorRow]


@dataclass(frozen=True, slots=True)
class _Busy:
    state: ActorState
    depth: int
    oldest_s: float


class Census:
    """Looks at the actors of the present term, and never changes anything."""

    def __init__(self, directory: Directory, committer: Committer, figures: Figures) -> None:
        self._directory = directory
        self._committer = committer
        self._figures = figures
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
            max((each.oldest_s for each in busy.values()), default=0.0),
            len(self._committer.outboxes),
            len(self._committer.ledger),
        )

    async def page(self, query: ActorQuery) -> tuple[int, list[ActorRow]]:
        """Give how many actors fit the query, and the page of them."""
        busy = await self._busy()
        loads = await self._loads()
        first = _ranked(query.sort, busy, loads)
        ids = await self._in_order(first)
        if query.state is not None or query.search:
            ids = await self._fitting(ids, query, busy)
        if not query.descending:
            ids.reverse()
        start = (query.page - 1) * query.page_size
        return len(ids), self._rows(ids[start : start + query.page_size], busy, loads)

    async def hot(self, count: int) -> Hot:
        """Give those with the most waiting, the longest times and the most updates."""
        busy = await self._busy()
        loads = await self._loads()
        slow = {order_id: each.oldest_s for order_id, each in busy.items()}
        for order_id, load in loads.items():
            slow[order_id] = max(slow.get(order_id, 0.0), load.took_s / load.updates)
        deep = {order_id: each.depth for order_id, each in busy.items() if each.depth}
        many = {order_id: load.updates for order_id, load in loads.items()}

        def most(figures: dict[WorkOrderId, Any]) -> list[ActorRow]:
            live = (order_id for order_id in figures if order_id in self._directory.refs)
            return self._rows(nlargest(count, live, key=figures.__getitem__), busy, loads)

        return Hot(most(deep), most(slow), most(many))

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
        oldest = current or mailbox.first
        if current is not None:
            delayed = current.stage is Stage.DELAYED
            state = ActorState.DELAYED if delayed else ActorState.ACTIVE
        elif not depth:
            state = ActorState.IDLE
        elif not mailbox.gate.open or order_id in self._directory.paused:
            state = ActorState.PAUSED
        else:
            state = ActorState.DELAYED if mailbox.backs_off else ActorState.WAITING
        return _Busy(state, depth, time.monotonic() - oldest.enqueued_at if oldest else 0.0)

    async def _loads(self) -> dict[WorkOrderId, Load]:
        loads, self._window_s = await self._figures.journal.loads()
        return loads  # type: ignore[return-value]  # a journal knows ids as text

    async def _in_order(self, first: list[WorkOrderId]) -> list[WorkOrderId]:
        """Give `first`, then all other live orders, the last active before the others."""
        live = list(self._directory.refs)
        await asyncio.sleep(0)
        ranked = set(first)
        ids = [order_id for order_id in first if order_id in self._directory.refs]
        for end in range(len(live), 0, -_LARGE_SLICE):
            part = live[max(0, end - _LARGE_SLICE) : end]
            ids += [order_id for order_id in reversed(part) if order_id not in ranked]
            await asyncio.sleep(0)
        return ids

    async def _fitting(
        self, ids: list[WorkOrderId], query: ActorQuery, busy: dict[WorkOrderId, _Busy]
    ) -> list[WorkOrderId]:
        fitting = []
        wanted = query.search.lower()
        for number, order_id in enumerate(ids, 1):
            if number % _SLICE == 0:
                await asyncio.sleep(0)
            if query.state is not None:
                state = busy[order_id].state if order_id in busy else ActorState.IDLE
                if state is not query.state:
                    continue
            if not wanted or self._is_called(order_id, wanted):
                fitting.append(order_id)
        return fitting

    def _is_called(self, order_id: WorkOrderId, wanted: str) -> bool:
        if order_id.startswith(wanted):
            return True
        mailbox = self._directory.made.get(order_id)
        number = mailbox.actor.order_no if mailbox and mailbox.actor else None  # type: ignore[attr-defined]
        return number is not None and wanted in number.lower()

    # -- one of them -------------------------------------------------------------------------

    def _rows(
        self,
        order_ids: Iterable[WorkOrderId],
        busy: dict[WorkOrderId, _Busy],
        loads: dict[WorkOrderId, Load],
    ) -> list[ActorRow]:
        rows = (self._row(order_id, busy, loads.get(order_id)) for order_id in order_ids)
        return [row for row in rows if row is not None]

    def _row(
        self, order_id: WorkOrderId, busy: dict[WorkOrderId, _Busy], load: Load | None
    ) -> ActorRow | None:
        mailbox = self._directory.made.get(order_id)
        if mailbox is None:
            return None  # passivated between two slices
        seen = busy.get(order_id) or _Busy(ActorState.IDLE, 0, 0.0)
        return ActorRow(
            order_id,
            mailbox.actor.order_no if mailbox.actor else None,  # type: ignore[attr-defined]
            seen.state,
            seen.depth,
            seen.oldest_s,
            load.updates / self._window_s if load else 0.0,
            load.took_s / load.updates if load else 0.0,
            mailbox.handled,
            mailbox.failed,
            _moment(mailbox.last_put),
        )

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

    async def latest(self, order_id: WorkOrderId) -> list[Happening]:
        """Give what became of the order's latest updates on this node, newest first."""
        return await self._figures.journal.of(order_id, _LATEST)


def _ranked(
    sort: Sort, busy: dict[WorkOrderId, _Busy], loads: dict[WorkOrderId, Load]
) -> list[WorkOrderId]:
    """Give the orders that have anything of what is sorted by, most of it first."""
    figure: Callable[[WorkOrderId], float]
    match sort:
        case Sort.DEPTH:
            ids, figure = list(busy), lambda order_id: busy[order_id].depth
        case Sort.OLDEST:
            ids, figure = list(busy), lambda order_id: busy[order_id].oldest_s
        case Sort.RATE:
            ids, figure = list(loads), lambda order_id: loads[order_id].updates
        case Sort.ACTIVE:
            return []
    return sorted(ids, key=figure, reverse=True)


def _order_of(mailbox: Mailbox) -> WorkOrderId:
    # Without an actor only for the moment until a dead one's successor has it.
    return getattr(mailbox.actor, "order_id", WorkOrderId(""))


def _moment(monotonic: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=time.monotonic() - monotonic)
