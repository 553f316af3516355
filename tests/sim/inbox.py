"""The Inbox port over the simulated database: what the MongoDB store sends, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from actors.domain.job import JobState
from actors.errors import OutcomeUnknown, Overtaken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from actors.domain.evidence import Outcome
    from actors.domain.job import Job, Position, Progress
    from actors.domain.model import Epoch, JobId, WorkOrderId
    from actors.store.jobs import JobPage, JobQuery, StoredJobs
    from tests.sim.database import Database
    from tests.sim.store import SimStore

T = TypeVar("T")


class SimInbox:
    """Implements `actors.store.inbox.Inbox` for one process."""

    def __init__(self, database: Database, store: SimStore) -> None:
        self._db, self._store = database, store

    async def add(self, epoch: Epoch, jobs: Sequence[Job]) -> list[Job]:
        def step(job: Job) -> Callable[[], Job]:
            return lambda: self._db.inbox.add(job)

        stored = await self._store.write("inbox", [step(job) for job in jobs])
        await self.check(epoch)
        return stored

    async def waiting(self) -> list[Job]:
        return await self._store.read(lambda: self._db.inbox.in_state(JobState.WAITING))  # type: ignore[no-any-return]

    async def waiting_ids(self) -> list[JobId]:
        return [job.id for job in await self.waiting()]

    async def note(self, epoch: Epoch, progress: Sequence[Progress]) -> None:
        def step(each: Progress) -> Callable[[], None]:
            return lambda: self._db.inbox.note(each, epoch)

        await self._store.write("note", [step(each) for each in progress])

    async def requeue(
        self, epoch: Epoch, places: Mapping[JobId, Position], state: JobState
    ) -> list[Job]:
        return await self._one(epoch, lambda: self._db.inbox.requeue(epoch, places, state))

    async def find(self, job_id: JobId) -> Job | None:
        return await self._store.read(lambda: self._db.inbox.jobs.get(job_id))  # type: ignore[no-any-return]

    async def page(self, query: JobQuery) -> JobPage:
        return await self._store.read(lambda: self._db.inbox.page(query))  # type: ignore[no-any-return]

    async def counts(
        self, work_order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> StoredJobs:
        return await self._store.read(lambda: self._db.inbox.counts(work_order_id, error_code))  # type: ignore[no-any-return]

    async def discard(self, epoch: Epoch, query: JobQuery) -> int:
        return await self._one(epoch, lambda: self._db.inbox.discard(epoch, query))

    async def remove(self, epoch: Epoch, job_id: JobId, state: JobState) -> bool:
        return await self._one(epoch, lambda: self._db.inbox.remove(epoch, job_id, state))

    async def forget(self, epoch: Epoch, before: datetime) -> int:
        return await self._one(epoch, lambda: self._db.inbox.forget(before))

    async def bound(self, epoch: Epoch, kept: int) -> None:
        await self._one(epoch, lambda: self._db.inbox.bound(kept))

    async def outcome(self, job_id: JobId) -> Outcome | None:
        def look() -> Outcome | None:
            return (
                self._db.logs.get(job_id)
                or self._db.shelf.entries.get(job_id)
                or self._db.refusals.get(job_id)
            )

        return await self._store.read(look)  # type: ignore[no-any-return]

    async def paused_orders(self) -> frozenset[WorkOrderId]:
        return await self._store.read(lambda: frozenset(self._db.inbox.paused))  # type: ignore[no-any-return]

    async def set_order_paused(self, epoch: Epoch, order_id: WorkOrderId, *, paused: bool) -> None:
        await self._one(epoch, lambda: self._db.inbox.pause(epoch, order_id, paused=paused))

    async def _one(self, epoch: Epoch, step: Callable[[], T]) -> T:
        (answer,) = await self._store.write("note", [step])
        await self.check(epoch)
        return answer  # type: ignore[no-any-return]

    async def check(self, epoch: Epoch) -> None:
        """Raise `Overtaken` where a higher epoch is claimed."""
        try:
            claimed = await self._store.read(lambda: self._db.top)
        except StoreUnavailable as error:
            raise OutcomeUnknown("it was sent") from error
        if claimed > epoch and self._db.fence.inbox:
            raise Overtaken(epoch, claimed)
