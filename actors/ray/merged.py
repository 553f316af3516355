"""All shards as if they were one: a question goes to the shard it is about, or to all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actors.errors import JobStateConflict, NotOwner
from actors.node.status import PartCounts
from actors.operators.job_admin import LIVE_STATES, JobAdmin, size_of
from actors.orders.region import Backlog, Statistics
from actors.ray.remote import RemoteActors, RemoteJobs, RemoteOrders, status_of
from actors.shards.actors import ShardedActors
from actors.shards.jobs import total_of
from actors.shards.orders import ask_by_shard, summed
from actors.store.pages import within
from actors.telemetry.pace import Pace
from actors.telemetry.part_samples import PartSamples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from actors.domain.job import Job, JobState
    from actors.domain.messages import OrderLock, OrderWaits, Queued, Updated, UpdateQuantity
    from actors.domain.model import JobId, WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.lease.port import Holder
    from actors.node.status import Dependency, NodeStatus
    from actors.operators.job_admin import JobCounts
    from actors.operators.rows import ActorQuery, ActorRow, ActorView, Hot, Summary
    from actors.orders.batch import Answer
    from actors.ray.link import ShardLink
    from actors.store.shards import ShardedStore
    from actors.telemetry.journal import Event
    from actors.telemetry.part_samples import PartSample


class ShardPart:
    """One shard as a part of the engine. Implements `actors.engine.Part`."""

    def __init__(self, link: ShardLink, store: Callable[[], Dependency]) -> None:
        self.link = link
        self.orders, self.jobs = RemoteOrders(link), RemoteJobs(link)
        self.actors = RemoteActors(link)
        self._store = store
        self._pace, self._past = Pace(), PartSamples()

    def sample_part(self) -> None:
        """Note what the shard says of itself, for its rate and its past; for whoever samples."""
        if self.link.news is not None:
            self._pace.note(self.link.news.statistics.completed)
        counts = self.counts()
        if counts is not None:
            self._past.take(counts.per_s, counts.waiting, counts.unlogged)

    def past(self, since: float) -> Sequence[PartSample]:
        """Return what the shard said of itself from `since` (seconds since 1970) on."""
        return self._past.since(since)

    def status(self) -> NodeStatus:
        """Return what the shard said of itself last."""
        return status_of(self.link, self._store())

    def owner_elsewhere(self) -> Holder | None:
        """Return None: wherever its owner is, the link reaches it."""
        return None

    def counts(self) -> PartCounts | None:
        """Return what the shard counted last."""
        news = self.link.news
        found = news.statistics if news is not None and news.status.serving else None
        if news is None or found is None or found.jobs is None:
            return None
        waiting = found.waiting + self.link.waiting
        known = found.active, found.delayed, found.live_actors, found.jobs
        return PartCounts(waiting, *known, news.unlogged, self._pace.per_s)

    def confirms(self, holder: Holder) -> bool:  # noqa: ARG002 -- the port's
        """Return False: no call is handed to another node."""
        return False


class MergedOrders:
    """Implements `actors.engine.Orders` over all shards."""

    def __init__(self, shards: ShardMap, parts: Sequence[ShardPart]) -> None:
        self._shards, self._parts = shards, parts

    def _of(self, order_id: WorkOrderId) -> RemoteOrders:
        return self._parts[self._shards.of(order_id)].orders

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        """Have one change applied or kept."""
        return await self._of(message.work_order_id).update(message)

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Answer]:
        """Have many changes applied, each by its order's shard."""
        return await ask_by_shard(
            self._shards,
            messages,
            lambda message: message.work_order_id,
            lambda shard, some: self._parts[shard].orders.update_many(some),
        )

    async def operate(self, message: UpdateQuantity) -> Updated:
        """Have one operation on a work order done."""
        return await self._of(message.work_order_id).operate(message)

    async def pause(self) -> None:
        """Stop the processing of all updates; a shard that is away reads it when it is back."""
        await ask_all(each.orders.pause() for each in self._parts)

    async def resume(self) -> None:
        """Process updates again."""
        await ask_all(each.orders.resume() for each in self._parts)

    async def pause_order(self, order_id: WorkOrderId) -> None:
        """Stop the processing of one order."""
        await self._of(order_id).pause_order(order_id)

    async def resume_order(self, order_id: WorkOrderId) -> None:
        """Process one order's updates again."""
        await self._of(order_id).resume_order(order_id)

    def is_paused(self, order_id: WorkOrderId) -> bool:
        """Return whether this order is paused alone, as its shard said last."""
        return self._of(order_id).is_paused(order_id)

    def backlog(self) -> Backlog:
        """Return what each answer says of `statistics`, without the rest of it: once per update."""
        every = [each.orders.statistics() for each in self._parts]
        return Backlog(
            self._waiting_here() + sum(each.waiting for each in every),
            sum(each.active for each in every),
            max(each.wait_ms for each in every),
        )

    def statistics(self) -> Statistics:
        """Return the sums of what the shards counted last; what waits here for one waits, too."""
        found = summed([each.orders.statistics() for each in self._parts])
        return replace(found, waiting=found.waiting + self._waiting_here())

    def _waiting_here(self) -> int:
        return sum(each.link.waiting for each in self._parts)

    async def waits_for(self, order_ids: Sequence[WorkOrderId]) -> list[OrderWaits]:
        """Tell of each order what waits for it, as its shard says."""
        return await ask_by_shard(
            self._shards,
            order_ids,
            lambda order_id: order_id,
            lambda shard, some: self._parts[shard].orders.waits_for(some),
        )

    async def held(self, limit: int) -> tuple[int, list[OrderLock]]:
        """Return the orders held by live actors."""
        parts = await ask_all(each.orders.held(limit) for each in served(self._parts))
        rows = sorted((lock for _, some in parts for lock in some), key=lambda lock: lock.since)
        return sum(total for total, _ in parts), rows[:limit]


class MergedJobs:
    """Implements `actors.engine.Jobs` over all shards."""

    def __init__(self, shards: ShardMap, parts: Sequence[ShardPart], store: ShardedStore) -> None:
        self._shards, self._parts, self._store = shards, parts, store
        self._stored = JobAdmin(store.inbox, lambda: None)

    async def find(self, job_id: JobId) -> tuple[Job, str]:
        """Return a job and its state: as its shard has it, else as it is stored."""
        part = await self._part_of(job_id)
        return await (self._stored if part is None else part.jobs).find(job_id)

    async def page(
        self,
        state: str,
        order_id: WorkOrderId | None,
        page: int,
        page_size: int,
        error_code: str | None = None,
        *,
        max_bytes: int | None = None,
    ) -> tuple[int, list[tuple[Job, str]]]:
        """Return how many jobs are in `state`, and one page of them."""
        if state not in LIVE_STATES:
            return await self._stored.page(
                state, order_id, page, page_size, error_code, max_bytes=max_bytes
            )
        if order_id is not None:
            jobs = self._parts[self._shards.of(order_id)].jobs
            return await jobs.page(
                state, order_id, page, page_size, error_code, max_bytes=max_bytes
            )
        asked = (state, order_id, 1, page * page_size, error_code)
        found = await ask_all(each.jobs.page(*asked) for each in served(self._parts))
        # The places of two shards do not compare.
        rows = sorted(
            (row for _, some in found for row in some), key=lambda row: row[0].received_at
        )
        shown = rows[(page - 1) * page_size : page * page_size]
        rows = list(within(shown, max_bytes, lambda row: size_of(row[0])))
        return sum(total for total, _ in found), rows

    async def counts(
        self, order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> JobCounts:
        """Count jobs by state: finished ones as they are stored, those of shards away too."""
        asked = served(self._parts)
        if order_id is not None:
            asked = [self._parts[self._shards.of(order_id)]]
        counts = await self._stored.counts(order_id, error_code)
        found = await ask_all(each.jobs.counts(order_id, error_code) for each in asked)
        live = {name: sum(getattr(each, name) for each in found) for name in LIVE_STATES}
        return replace(counts, **live)

    async def retry(self, job_id: JobId) -> Job:
        """Let a failed job wait again."""
        part = await self._part_of(job_id)
        if part is None:
            _, state = await self._stored.find(job_id)
            raise JobStateConflict(job_id, state)
        return await part.jobs.retry(job_id)

    async def retry_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Let all failed jobs wait again, as far as there is room in their shards."""
        asked = self._asked(order_id)
        return await total_of([each.retry_failed(order_id, error_code) for each in asked])

    async def discard_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Forget all failed jobs."""
        asked = self._asked(order_id)
        return await total_of([each.discard_failed(order_id, error_code) for each in asked])

    def _asked(self, order_id: WorkOrderId | None) -> list[RemoteJobs]:
        if order_id is not None:
            return [self._parts[self._shards.of(order_id)].jobs]
        return [each.jobs for each in self._parts]

    async def remove(self, job_id: JobId) -> JobState:
        """Take back a job that waits, or forget a failed one."""
        part = await self._part_of(job_id)
        if part is None:
            # What is not in the inbox can only be refused, by whichever shard.
            job, state = await self._stored.find(job_id)
            raise JobStateConflict(job_id, state, job.result)
        return await part.jobs.remove(job_id)

    async def _part_of(self, job_id: JobId) -> ShardPart | None:
        job = await self._store.inbox.find(job_id)
        return None if job is None else self._parts[self._shards.of(job.work_order_id)]


class MergedActors:
    """Implements `actors.engine.Actors` over all shards."""

    def __init__(self, shards: ShardMap, parts: Sequence[ShardPart]) -> None:
        self._shards, self._parts = shards, parts

    def _of(self, order_id: WorkOrderId) -> RemoteActors:
        return self._parts[self._shards.of(order_id)].actors

    @property
    def unlogged(self) -> int:
        """Count the entries that are not yet in the log, as the shards said last."""
        return sum(each.actors.unlogged for each in self._parts)

    async def summary(self) -> Summary:
        """Count actors by state."""
        return await self._all().summary()

    async def page(self, query: ActorQuery) -> tuple[int, list[ActorRow]]:
        """Return how many actors fit the query, and the page of them."""
        return await self._all().page(query)

    async def hot(self, count: int) -> Hot:
        """Return those that stand out."""
        return await self._all().hot(count)

    def _all(self) -> ShardedActors:
        return ShardedActors(
            self._shards, {part.link.shard: part.actors for part in served(self._parts)}
        )

    async def has(self, order_id: WorkOrderId) -> bool:
        """Return whether an order's actor is live."""
        return await self._of(order_id).has(order_id)

    async def numbers(self, order_ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of those orders whose actors are live."""
        return await self._all().numbers(order_ids)

    async def one(self, order_id: WorkOrderId) -> ActorView | None:
        """Look at one order's actor."""
        return await self._of(order_id).one(order_id)

    async def latest(self, order_id: WorkOrderId) -> list[Event]:
        """Return what became of the order's latest updates."""
        return await self._of(order_id).latest(order_id)


async def ask_all(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """Await them all, side by side; raises the first error once all have ended."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return done


def served(parts: Sequence[ShardPart]) -> list[ShardPart]:
    """Return those that a process serves: the others leave out what is theirs, as health says.

    Raises:
        NotOwner: none is served.

    """
    found = [part for part in parts if part.link.news is not None]
    if not found:
        raise NotOwner("no shard is served")
    return found
