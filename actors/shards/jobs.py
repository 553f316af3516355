"""The jobs of several shards, those that this node owns; finished ones as they are stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.errors import JobStateConflict, MailboxFull, NotOwner
from actors.operators.job_admin import LIVE_STATES, JobAdmin, size_of
from actors.store.pages import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.domain.job import Job, JobState
    from actors.domain.model import JobId, WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.node.node import Node
    from actors.operators.job_admin import JobCounts
    from actors.store.jobs import Inbox


class ShardedJobs:
    """Implements `actors.engine.Jobs` by the desk of each shard."""

    def __init__(self, shards: ShardMap, parts: Sequence[Node], inbox: Inbox) -> None:
        self._shards, self._parts = shards, parts
        self._inbox = inbox
        self._stored = JobAdmin(inbox, lambda: None)

    async def find(self, job_id: JobId) -> tuple[Job, str]:
        """Return a job and its state; raises `JobNotFound`."""
        desk = await self._desk_of(job_id)
        return await desk.find(job_id)

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
        """Return how many jobs are in `state`, and one page of them.

        What waits or is at work, here alone, and by the time it was received: the positions of
        two shards don't compare.
        """
        owned = [part.jobs for part in self._parts if part.region.jobs is not None]
        if state not in LIVE_STATES or not owned:
            return await self._stored.page(
                state, order_id, page, page_size, error_code, max_bytes=max_bytes
            )
        if order_id is not None:
            owned = [self._parts[self._shards.of(order_id)].jobs]
        upto = page * page_size
        found = [await desk.page(state, order_id, 1, upto, error_code) for desk in owned]
        rows = [row for _, some in found for row in some]
        if len(found) > 1:
            rows.sort(key=lambda row: row[0].received_at)
        shown = rows[upto - page_size : upto]
        rows = list(within(shown, max_bytes, lambda row: size_of(row[0])))
        return sum(total for total, _ in found), rows

    async def counts(
        self, order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> JobCounts:
        """Count jobs by state: what waits or is at work, here alone."""
        counts = await self._stored.counts(order_id, error_code)
        found = [part.jobs.live(order_id, error_code) for part in self._parts]
        owned = [each for each in found if each is not None]
        if not owned:
            return counts
        live = sum(owned, Counter[str]())
        return replace(counts, **{state: live[state] for state in LIVE_STATES})

    async def retry(self, job_id: JobId) -> Job:
        """Let a failed job wait again, in its shard."""
        desk = await self._desk_of(job_id)
        if desk is self._stored:
            _, state = await desk.find(job_id)
            raise JobStateConflict(job_id, state)
        return await desk.retry(job_id)

    async def retry_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Let all failed jobs of the shards owned here wait again; give their number."""
        return await self._each(order_id, lambda desk: desk.retry_failed(order_id, error_code))

    async def discard_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Forget all failed jobs of the shards owned here; give their number."""
        return await self._each(order_id, lambda desk: desk.discard_failed(order_id, error_code))

    async def _each(
        self, order_id: WorkOrderId | None, act: Callable[[JobAdmin], Awaitable[int]]
    ) -> int:
        if order_id is not None:
            return await act(self._parts[self._shards.of(order_id)].jobs)
        owned = [part.jobs for part in self._parts if part.region.jobs is not None]
        if not owned:
            raise NotOwner("this node owns no shard")
        return await total_of([act(desk) for desk in owned])

    async def remove(self, job_id: JobId) -> JobState:
        """Take back a job that waits, or forget a failed one; give the state that it was in."""
        desk = await self._desk_of(job_id)
        if desk is self._stored:
            job, state = await desk.find(job_id)
            raise JobStateConflict(job_id, state, job.result)
        return await desk.remove(job_id)

    async def _desk_of(self, job_id: JobId) -> JobAdmin:
        """Return the desk of the job's shard; that of the store where no shard has the job."""
        for part in self._parts:
            if part.region.jobs is not None and job_id in part.region.jobs.known:
                return part.jobs
        job = await self._inbox.find(job_id)
        return self._stored if job is None else self._parts[self._shards.of(job.work_order_id)].jobs


async def total_of(calls: Sequence[Awaitable[int]]) -> int:
    """Add up what several shards did; a full one is no failure where others did something."""
    counts = await asyncio.gather(*calls, return_exceptions=True)
    done = sum(each for each in counts if isinstance(each, int))
    for each in counts:
        if isinstance(each, BaseException) and not (done and isinstance(each, MailboxFull)):
            raise each
    return done
