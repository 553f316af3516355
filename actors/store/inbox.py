"""The Inbox port: waiting work that is durable before its caller is told that it is accepted.

Every implementation passes `tests/contract/test_inbox_*.py`. What `add` answered is durable
(majority and journaled, or fsynced), and every owner that claims its epoch later finds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from actors.messages import Trace, Updated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from actors.messages import Epoch
    from actors.rules import Change, JobId, WorkOrderId
    from actors.store.port import Outcome


class JobState(StrEnum):
    """What the store knows of a job; at work or delayed it is for its owner alone to know."""

    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"


class Position(NamedTuple):
    """A place in the order of all jobs: `n` counts under the owner's epoch."""

    epoch: int
    n: int


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed last: the code that a caller would have been answered, and a text."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted change. `attempts` counts the times it failed by its own fault."""

    work_order_id: WorkOrderId
    change: Change
    position: Position
    received_at: datetime
    trace: Trace = field(default_factory=Trace)
    state: JobState = JobState.WAITING
    attempts: int = 0
    error: JobError | None = None
    result: Updated | None = None
    dead: bool = False
    """Whether it was given up: a dead letter, which only people forget."""
    finished_at: datetime | None = None

    @property
    def id(self) -> JobId:
        """Give the id, which its log entry will have."""
        return self.change.job_id


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a job: still waiting after a failure, or finished at `at`."""

    job_id: JobId
    state: JobState
    at: datetime
    attempts: int = 0
    error: JobError | None = None
    result: Updated | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True)
class JobQuery:
    """One page of jobs: waiting ones in their order, finished ones newest first."""

    state: JobState
    work_order_id: WorkOrderId | None = None
    error_code: str | None = None
    page: int = 1
    page_size: int = 20


@dataclass(frozen=True, slots=True)
class JobPage:
    """The page that was asked for, and the number of jobs on all pages."""

    total: int
    jobs: tuple[Job, ...]


class Inbox(Protocol):
    """Waiting work and what became of it. All coroutines may raise `StoreUnavailable`."""

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
        """Give all jobs that wait, in the order of their positions."""
        ...

    async def waiting_ids(self) -> list[JobId]:
        """Give the ids of all jobs that wait."""
        ...

    async def note(self, progress: Sequence[Progress]) -> None:
        """Record what became of jobs.

        Completed is the truth whatever is recorded; all else counts only while the job waits.
        Raises `OutcomeUnknown`; noting it again does no harm.
        """
        ...

    async def requeue(self, places: Mapping[JobId, Position], state: JobState) -> list[Job]:
        """Let jobs that are in `state` wait at new places; give those that were.

        One that had failed begins anew, with no attempts. Raises `OutcomeUnknown`.
        """
        ...

    async def find(self, job_id: JobId) -> Job | None:
        """Give a job."""
        ...

    async def page(self, query: JobQuery) -> JobPage:
        """Give a page of jobs."""
        ...

    async def remove(self, job_id: JobId, state: JobState) -> bool:
        """Forget a job that is in `state`; tell whether it was. Raises `OutcomeUnknown`."""
        ...

    async def forget(self, before: datetime) -> int:
        """Forget what finished before then, dead letters too; give the number."""
        ...

    async def bound(self, kept: int) -> None:
        """Forget all completed and all refused jobs but the `kept` newest of each.

        Never what waits, and no dead letter.
        """
        ...

    async def outcome(self, job_id: JobId) -> Outcome | None:
        """Give what the log, or what is kept of refusals, says of a job."""
        ...

    async def paused_orders(self) -> frozenset[WorkOrderId]:
        """Give the orders that are paused one by one; survives restarts and changes of owner."""
        ...

    async def set_order_paused(self, order_id: WorkOrderId, *, paused: bool) -> None:
        """Remember durably whether one order is paused. Raises `OutcomeUnknown`."""
        ...
