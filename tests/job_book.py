"""The inbox as a dictionary: what a database does to jobs, one step at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from actors.domain.job import JOB_UNREADABLE, Job, JobState
from actors.store.job_documents import job_document
from actors.store.jobs import JobPage, JobQuery, StoredJobs
from actors.store.pages import bytes_of, within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from actors.domain.job import Position, Progress
    from actors.domain.model import JobId, WorkOrderId


@dataclass
class JobBook:
    """Jobs by id, and the orders that are paused."""

    jobs: dict[JobId, Job] = field(default_factory=dict)
    paused: set[WorkOrderId] = field(default_factory=set)
    fences: dict[JobId, int] = field(default_factory=dict)
    """The epoch of the last take-over, by job that waited or had failed then."""
    fence: int = 0

    def fence_off(self, epoch: int) -> None:
        """Mark what earlier owners must not change any more."""
        self.fence = max(self.fence, epoch)
        for job in self.jobs.values():
            if job.state is not JobState.COMPLETED:
                self.fences[job.id] = max(self.fences.get(job.id, 0), epoch)

    def _is_free(self, epoch: int, job: Job) -> bool:
        return max(job.position.epoch, self.fences.get(job.id, 0)) <= epoch

    def add(self, job: Job) -> Job:
        """Keep a job, or give the one that has its id, or its order and key."""
        if job.id in self.jobs:
            return self.jobs[job.id]
        key = job.change.request_id
        for other in self.jobs.values():
            if key is not None and _key(other) == _key(job):
                return other
        self.jobs[job.id] = job
        return job

    def in_state(self, state: JobState) -> list[Job]:
        """Return waiting jobs in their order, finished ones newest first."""
        found = [job for job in self.jobs.values() if job.state is state]
        if state is JobState.WAITING:
            return sorted(found, key=lambda job: job.position)
        return sorted(found, key=lambda job: (job.finished_at, job.id), reverse=True)

    def note(self, progress: Progress, epoch: int) -> None:
        """Record what became of a job."""
        job = self.jobs.get(progress.job_id)
        if job is None:
            return
        if progress.state is not JobState.COMPLETED and (
            job.state is not JobState.WAITING or not self._is_free(epoch, job)
        ):
            return
        self.jobs[job.id] = replace(
            job,
            state=progress.state,
            attempts=progress.attempts,
            error=progress.error,
            result=progress.result,
            dead=progress.dead,
            failures=progress.failures,
            finished_at=None if progress.state is JobState.WAITING else progress.at,
        )

    def requeue(self, epoch: int, places: Mapping[JobId, Position], state: JobState) -> list[Job]:
        """Let jobs wait at new places."""
        moved = []
        for job_id, place in places.items():
            job = self.jobs.get(job_id)
            if job is None or job.state is not state or not self._is_free(epoch, job):
                continue
            forgiven = job.forgiven if state is JobState.WAITING else job.attempts
            moved.append(
                replace(
                    job,
                    position=place,
                    state=JobState.WAITING,
                    forgiven=forgiven,
                    dead=False,
                    finished_at=None,
                )
            )
            self.jobs[job_id] = moved[-1]
        return moved

    def page(self, query: JobQuery) -> JobPage:
        """Return a page."""
        found = self._of(query)
        start = (query.page - 1) * query.page_size
        page = found[start : start + query.page_size]
        shown = within(page, query.max_bytes, lambda job: bytes_of(job_document(job)))
        return JobPage(len(found), tuple(shown))

    def _of(self, query: JobQuery) -> list[Job]:
        before = query.finished_before
        return [
            job
            for job in self.in_state(query.state)
            if _matches(job, query.work_order_id, query.error_code)
            and query.dead in (None, job.dead)
            and (before is None or job.finished_at is None or job.finished_at < before)
        ]

    def counts(self, work_order_id: WorkOrderId | None, error_code: str | None) -> StoredJobs:
        """Count jobs by state."""
        found = [job for job in self.jobs.values() if _matches(job, work_order_id, error_code)]
        by_state = Counter(job.state for job in found)
        failed = [job for job in found if job.state is JobState.FAILED]
        lost = sum(_matches(job, None, JOB_UNREADABLE) for job in failed)
        counts = {state.value: by_state[state] for state in JobState}
        return StoredJobs(**counts, unreadable=lost)

    def discard(self, epoch: int, query: JobQuery) -> int:
        """Forget what a query is of."""
        gone = [
            job
            for job in self._of(query)
            if job.state is not JobState.WAITING and self._is_free(epoch, job)
        ]
        for job in gone:
            del self.jobs[job.id]
        return len(gone)

    def remove(self, epoch: int, job_id: JobId, state: JobState) -> bool:
        """Forget one job that is in `state`."""
        job = self.jobs.get(job_id)
        if job is None or job.state is not state or not self._is_free(epoch, job):
            return False
        del self.jobs[job_id]
        return True

    def forget(self, before: datetime) -> int:
        """Forget what finished before then."""
        old = [job.id for job in self.jobs.values() if job.finished_at and job.finished_at < before]
        for job_id in old:
            del self.jobs[job_id]
        return len(old)

    def bound(self, kept: int) -> None:
        """Forget all but the newest completed and refused jobs."""
        for state in (JobState.COMPLETED, JobState.FAILED):
            for job in [job for job in self.in_state(state) if not job.dead][kept:]:
                del self.jobs[job.id]

    def pause(self, epoch: int, order_id: WorkOrderId, *, paused: bool) -> None:
        """Remember whether an order is paused, unless a later owner has taken over."""
        if epoch < self.fence:
            return
        if paused:
            self.paused.add(order_id)
        else:
            self.paused.discard(order_id)


def _matches(job: Job, work_order_id: WorkOrderId | None, error_code: str | None) -> bool:
    code = None if job.error is None else job.error.code
    return work_order_id in (None, job.work_order_id) and error_code in (None, code)


def _key(job: Job) -> tuple[str, str | None]:
    return job.work_order_id, job.change.request_id
