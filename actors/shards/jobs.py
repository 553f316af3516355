"""The jobs of several shards, those that this node owns; finished ones as they are stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.errors import JobStateConflict, MailboxFull, NotOwner
from actors.operators.job_admin import LIVE_STATES, JobAdmin, size_of
from actors.store.pages import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.job import Job, JobState
    from actors.domain.model import JobId, WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.node.node import Node
    from actors.store.port import Inbox


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

    async def retry(self, job_id: JobId) -> Job:
        """Let a failed job wait again, in its shard."""
        desk = await self._desk_of(job_id)
        if desk is self._stored:
            _, state = await desk.find(job_id)
            raise JobStateConflict(job_id, state)
        return await desk.retry(job_id)

    async def retry_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Let all failed jobs of the shards owned here wait again; give their number."""
        if order_id is not None:
            return await self._parts[self._shards.of(order_id)].jobs.retry_failed(
                order_id, error_code
            )
        owned = [part.jobs for part in self._parts if part.region.jobs is not None]
        if not owned:
            raise NotOwner("this node owns no shard")
        counts = await asyncio.gather(
            *(desk.retry_failed(None, error_code) for desk in owned), return_exceptions=True
        )
        retried = sum(each for each in counts if isinstance(each, int))
        failures = [each for each in counts if isinstance(each, BaseException)]
        full = all(isinstance(each, MailboxFull) for each in failures)
        if failures and not (full and retried):
            raise failures[0]
        return retried

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
