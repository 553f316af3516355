"""The Inbox port: waiting work beside the orders, and what became of it.

Every implementation passes `tests/contract/test_inbox*.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from actors.domain.evidence import Outcome
    from actors.domain.job import Job, JobState, Position, Progress
    from actors.domain.model import Epoch, JobId, WorkOrderId


@dataclass(frozen=True, slots=True)
class JobQuery:
    """One page of jobs: waiting ones in their order, finished ones newest first."""

    state: JobState
    work_order_id: WorkOrderId | None = None
    error_code: str | None = None
    dead: bool | None = None
    """Only dead letters, or only others; None for all."""
    finished_before: datetime | None = None
    """None that finished then or later."""
    page: int = 1
    page_size: int = 20
    max_bytes: int | None = None
    """As in `LogQuery`."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """The page that was asked for, and the number of jobs on all pages."""

    total: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class StoredJobs:
    """How many jobs are stored in each state."""

    waiting: int = 0
    completed: int = 0
    failed: int = 0
    unreadable: int = 0
    """Of those that failed: what was to be done is not known any more."""


class Inbox(Protocol):
    """Waiting work and what became of it. All coroutines may raise `StoreUnavailable`.

    What `add` answered is durable (majority and journaled, or fsynced), and every owner that
    claims its epoch later finds it. Every write carries its owner's epoch: once a higher one is
    claimed, it changes nothing that the later owner has read, and raises `Overtaken`.
    """

    async def add(self, epoch: Epoch, jobs: Sequence[Job]) -> list[Job]:
        """Keep jobs; give each as it is stored, or the one that has its order and key already.

        A job that is there (by its id) is left as it is, so the same jobs may be given again.

        Raises:
            Overtaken: an epoch above `epoch` was claimed: some may be kept, and be found by its
                owner, or not.
            OutcomeUnknown: no answer: kept or not.
            StoreRejected: the database refuses the only job given, for good. Where it refuses one
                of several another exception is raised, so that they are given one by one.

        """
        ...

    async def waiting(self) -> list[Job]:
        """Return all jobs that wait, in the order of their positions."""
        ...

    async def waiting_ids(self) -> list[JobId]:
        """Return the ids of all jobs that wait."""
        ...

    async def note(self, epoch: Epoch, progress: Sequence[Progress]) -> None:
        """Record what became of jobs.

        Completed is the truth whatever is recorded; all else counts only while the job waits.
        Raises `OutcomeUnknown`, and `StoreRejected` where the database refuses one of them for
        good; noting it again does no harm.
        """
        ...

    async def requeue(
        self, epoch: Epoch, places: Mapping[JobId, Position], state: JobState
    ) -> list[Job]:
        """Let jobs that are in `state` wait at new places; give those that were.

        One that had failed is forgiven its attempts so far. Raises `OutcomeUnknown`.
        """
        ...

    async def find(self, job_id: JobId) -> Job | None:
        """Return a job."""
        ...

    async def page(self, query: JobQuery) -> JobPage:
        """Return a page of jobs."""
        ...

    async def counts(
        self, work_order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> StoredJobs:
        """Count all jobs by state, or those of one order, or that failed last with one error."""
        ...

    async def remove(self, epoch: Epoch, job_id: JobId, state: JobState) -> bool:
        """Forget a job that is in `state`; tell whether it was. Raises `OutcomeUnknown`."""
        ...

    async def forget(self, epoch: Epoch, before: datetime) -> int:
        """Forget what finished before then, dead letters too; give the number."""
        ...

    async def discard(self, epoch: Epoch, query: JobQuery) -> int:
        """Forget the finished jobs that a query is of, on all its pages; give the number.

        Raises `OutcomeUnknown`.
        """
        ...

    async def bound(self, epoch: Epoch, kept: int) -> None:
        """Forget all completed and all refused jobs but the `kept` newest of each.

        Never what waits, and no dead letter.
        """
        ...

    async def outcome(self, job_id: JobId) -> Outcome | None:
        """Return what the log, or what is kept of refusals, says of a job."""
        ...

    async def paused_orders(self) -> frozenset[WorkOrderId]:
        """Return the orders that are paused one by one; survives restarts and changes of owner."""
        ...

    async def set_order_paused(self, epoch: Epoch, order_id: WorkOrderId, *, paused: bool) -> None:
        """Remember durably whether one order is paused. Raises `OutcomeUnknown`."""
        ...
