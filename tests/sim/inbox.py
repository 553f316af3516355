"""The Inbox port over the simulated database: what the MongoDB store sends, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.domain.job import JobState
from actors.errors import OutcomeUnknown, Overtaken, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from actors.domain.evidence import Outcome
    from actors.domain.job import Job, Position, Progress
    from actors.domain.model import Epoch, JobId, WorkOrderId
    from actors.store.port import JobPage, JobQuery
    from tests.sim.database import Database
    from tests.sim.store import SimStore


class SimInbox:
    """Implements `actors.store.inbox.Inbox` for one process."""

    def __init__(self, database: Database, store: SimStore) -> None:
        self._db, self._store = database, store

    async def add(self, epoch: Epoch, jobs: Sequence[Job]) -> list[Job]:
        def step(job: Job) -> Callable[[], Job]:
            return lambda: self._db.inbox.add(job)

        stored = await self._store.write("inbox", [step(job) for job in jobs])
        try:
            claimed = await self._store.read(lambda: self._db.top)
        except StoreUnavailable as error:
            raise OutcomeUnknown("the jobs were sent") from error
        if not self._db.fence.inbox:
            return stored
        if claimed > epoch:
            raise Overtaken(epoch, claimed)
        return stored

    async def waiting(self) -> list[Job]:
        return await self._store.read(lambda: self._db.inbox.in_state(JobState.WAITING))  # type: ignore[no-any-return]

    async def waiting_ids(self) -> list[JobId]:
        return [job.id for job in await self.waiting()]

    async def note(self, progress: Sequence[Progress]) -> None:
        def step(each: Progress) -> Callable[[], None]:
            return lambda: self._db.inbox.note(each)

        await self._store.write("note", [step(each) for each in progress])

    async def requeue(self, places: Mapping[JobId, Position], state: JobState) -> list[Job]:
        (moved,) = await self._store.write("note", [lambda: self._db.inbox.requeue(places, state)])
        return moved  # type: ignore[no-any-return]

    async def find(self, job_id: JobId) -> Job | None:
        return await self._store.read(lambda: self._db.inbox.jobs.get(job_id))  # type: ignore[no-any-return]

    async def page(self, query: JobQuery) -> JobPage:
        return await self._store.read(lambda: self._db.inbox.page(query))  # type: ignore[no-any-return]

    async def remove(self, job_id: JobId, state: JobState) -> bool:
        (removed,) = await self._store.write("note", [lambda: self._db.inbox.remove(job_id, state)])
        return removed  # type: ignore[no-any-return]

    async def forget(self, before: datetime) -> int:
        (number,) = await self._store.write("note", [lambda: self._db.inbox.forget(before)])
        return number  # type: ignore[no-any-return]

    async def bound(self, kept: int) -> None:
        await self._store.write("note", [lambda: self._db.inbox.bound(kept)])

    async def outcome(self, job_id: JobId) -> Outcome | None:
        def look() -> Outcome | None:
            return self._db.logs.get(job_id) or self._db.refusals.get(job_id)

        return await self._store.read(look)  # type: ignore[no-any-return]

    async def paused_orders(self) -> frozenset[WorkOrderId]:
        return await self._store.read(lambda: frozenset(self._db.inbox.paused))  # type: ignore[no-any-return]

    async def set_order_paused(self, order_id: WorkOrderId, *, paused: bool) -> None:
        await self._store.write("pause", [lambda: self._db.inbox.pause(order_id, paused=paused)])
