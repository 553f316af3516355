"""The inbox of the store in memory, with the faults that befall its other calls."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from actors.domain.job import JobState
from actors.errors import Overtaken
from tests.job_book import JobBook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from actors.domain.job import Job, Position, Progress
    from actors.domain.model import Epoch, JobId, WorkOrderId
    from actors.store import Outcome
    from actors.store.jobs import JobPage, JobQuery, StoredJobs
    from tests.fakes import MemoryStore


class MemoryInbox:
    """Implements `actors.store.inbox.Inbox` beside a `MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.book = JobBook()

    async def add(self, epoch: Epoch, jobs: Sequence[Job]) -> list[Job]:
        stored = await self._store.write("add", [partial(self.book.add, job) for job in jobs])
        await self.check(epoch)
        return stored

    async def waiting(self) -> list[Job]:
        await self._store.read("waiting")
        return self.book.in_state(JobState.WAITING)

    async def waiting_ids(self) -> list[JobId]:
        await self._store.read("waiting")
        return [job.id for job in self.book.in_state(JobState.WAITING)]

    async def note(self, epoch: Epoch, progress: Sequence[Progress]) -> None:
        await self._store.write("note", [partial(self.book.note, each, epoch) for each in progress])

    async def requeue(
        self, epoch: Epoch, places: Mapping[JobId, Position], state: JobState
    ) -> list[Job]:
        return await self._one(epoch, "requeue", partial(self.book.requeue, epoch, places, state))  # type: ignore[no-any-return]

    async def find(self, job_id: JobId) -> Job | None:
        await self._store.read("find")
        return self.book.jobs.get(job_id)

    async def page(self, query: JobQuery) -> JobPage:
        await self._store.read("page")
        return self.book.page(query)

    async def counts(
        self, work_order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> StoredJobs:
        await self._store.read("page")
        return self.book.counts(work_order_id, error_code)

    async def discard(self, epoch: Epoch, query: JobQuery) -> int:
        return await self._one(epoch, "forget", partial(self.book.discard, epoch, query))  # type: ignore[no-any-return]

    async def remove(self, epoch: Epoch, job_id: JobId, state: JobState) -> bool:
        return await self._one(epoch, "remove", partial(self.book.remove, epoch, job_id, state))  # type: ignore[no-any-return]

    async def forget(self, epoch: Epoch, before: datetime) -> int:
        return await self._one(epoch, "forget", partial(self.book.forget, before))  # type: ignore[no-any-return]

    async def bound(self, epoch: Epoch, kept: int) -> None:
        await self._one(epoch, "forget", partial(self.book.bound, kept))

    async def outcome(self, job_id: JobId) -> Outcome | None:
        await self._store.read("find")
        kept: list[Mapping[str, Outcome]] = [
            *self._store.log.values(),
            *self._store.refused.values(),
        ]
        return next((each[job_id] for each in kept if job_id in each), None)

    async def paused_orders(self) -> frozenset[WorkOrderId]:
        await self._store.read("paused")
        return frozenset(self.book.paused)

    async def set_order_paused(self, epoch: Epoch, order_id: WorkOrderId, *, paused: bool) -> None:
        work = partial(self.book.pause, epoch, order_id, paused=paused)
        await self._one(epoch, "set_paused", work)

    async def _one(self, epoch: Epoch, method: Any, work: Any) -> Any:  # noqa: ANN401 as the store has it
        [answer] = await self._store.write(method, [work])
        await self.check(epoch)
        return answer

    async def check(self, epoch: Epoch) -> None:
        """Raise `Overtaken` where a higher epoch is claimed."""
        claimed = await self._store.epoch()
        if claimed > epoch and "overtaken" not in self._store.without:
            raise Overtaken(epoch, claimed)
