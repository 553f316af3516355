"""An accepted change that waits in the store, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.domain.model import Trace

if TYPE_CHECKING:
    from datetime import datetime

    from actors.domain.messages import Updated
    from actors.domain.model import Change, JobId, WorkOrderId


JOB_UNREADABLE: Final = "JOB_UNREADABLE"
"""The error of a job whose stored form does not say any more what was to be done."""
MAX_FAILURES: Final = 10


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
class Failure:
    """One attempt at a change that failed by its own fault, and when that was."""

    at: datetime
    error: JobError


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted change. `attempts` counts those that came to an end, under whichever owner."""

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
    forgiven: int = 0
    """Of `attempts`, those before people let it wait again: its limit counts from there on."""
    failures: tuple[Failure, ...] = ()
    """The last of its attempts that failed, `MAX_FAILURES` at most, in their order."""

    @property
    def id(self) -> JobId:
        """Return the id, which its log entry will have."""
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
    failures: tuple[Failure, ...] = ()
