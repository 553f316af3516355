"""The inbox as a dictionary: what a database does to jobs, one step at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from actors.domain.job import Job, JobState
from actors.store.port import JobPage, JobQuery

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

    def note(self, progress: Progress) -> None:
        """Record what became of a job."""
        job = self.jobs.get(progress.job_id)
        if job is None:
            return
        if progress.state is not JobState.COMPLETED and job.state is not JobState.WAITING:
            return
        self.jobs[job.id] = replace(
            job,
            state=progress.state,
            attempts=progress.attempts,
            error=progress.error,
            result=progress.result,
            dead=progress.dead,
            finished_at=None if progress.state is JobState.WAITING else progress.at,
        )

    def requeue(self, places: Mapping[JobId, Position], state: JobState) -> list[Job]:
        """Let jobs wait at new places."""
        moved = []
        for job_id, place in places.items():
            job = self.jobs.get(job_id)
            if job is None or job.state is not state:
                continue
            attempts = job.attempts if state is JobState.WAITING else 0
            moved.append(
                replace(
                    job,
                    position=place,
                    state=JobState.WAITING,
                    attempts=attempts,
                    dead=False,
                    finished_at=None,
                )
            )
            self.jobs[job_id] = moved[-1]
        return moved

    def page(self, query: JobQuery) -> JobPage:
        """Return a page."""
        found = [
            job
            for job in self.in_state(query.state)
            if query.work_order_id in (None, job.work_order_id)
            and query.error_code in (None, job.error and job.error.code)
        ]
        start = (query.page - 1) * query.page_size
        return JobPage(len(found), tuple(found[start : start + query.page_size]))

    def remove(self, job_id: JobId, state: JobState) -> bool:
        """Forget one job that is in `state`."""
        if job_id not in self.jobs or self.jobs[job_id].state is not state:
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

    def pause(self, order_id: WorkOrderId, *, paused: bool) -> None:
        """Remember whether an order is paused."""
        if paused:
            self.paused.add(order_id)
        else:
            self.paused.discard(order_id)


def _key(job: Job) -> tuple[str, str | None]:
    return job.work_order_id, job.change.request_id
