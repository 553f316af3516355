"""What becomes of waiting work: noted in the store until it knows, then forgotten here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from pykka import ActorDeadError

from actors.domain.decide import is_done_before
from actors.domain.job import MAX_FAILURES, Failure, JobError, JobState, Progress
from actors.domain.messages import Updated
from actors.errors import (
    NotApplied,
    OutcomeUnknown,
    Overtaken,
    PoisonMessage,
    Refused,
    StoreRejected,
    WorkOrderError,
)
from actors.runtime.backoff import FIRST_PAUSE_S, rest_for
from actors.runtime.batcher import Batcher
from actors.runtime.delivery import Stage
from actors.runtime.future import LoopFuture

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.domain.job import Job
    from actors.domain.model import Epoch, JobId
    from actors.runtime.delivery import Delivery
    from actors.store.jobs import Inbox

_log = structlog.get_logger(__name__)

MAX_FINISHED: Final = 1_000
"""Completed jobs that are remembered, and refused ones; the log has the former for ever."""
_NOTED_AT_ONCE: Final = 500
_BOUND_EVERY: Final = 200
_MAX_TEXT: Final = 500
_CODES: Final = {PoisonMessage: "DEAD_LETTER", StoreRejected: "STORE_REJECTED"}
"""What operators tell apart, and a caller need not."""


@dataclass(slots=True, eq=False)
class TrackedJob:
    """A job that this owner looks after."""

    job: Job
    suspect: bool
    """Whether it may be done already, or be stored once more by a late packet."""
    delivery: Delivery | None = None
    """Where it is in its order's mailbox; None while it waits outside."""
    done: bool = False
    """Whether its outcome is known, and is being noted."""

    @property
    def attempts(self) -> int:
        """Count the attempts that came to an end, with those of earlier owners."""
        if self.delivery is None:
            return self.job.attempts
        return self.job.forgiven + self.delivery.attempts

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The last attempts that failed, in their order, with those of earlier owners."""
        here = () if self.delivery is None else self.delivery.failures
        return (*self.job.failures, *here)[-MAX_FAILURES:]

    @property
    def error(self) -> JobError | None:
        """How it failed last."""
        here = () if self.delivery is None else self.delivery.failures
        return here[-1].error if here else self.job.error

    @property
    def state(self) -> str:
        """Say how it is, in the words that operators use."""
        if self.done:
            return Stage.ACTIVE.name.lower()
        return (self.delivery.stage if self.delivery else Stage.WAITING).name.lower()


class JobReply(LoopFuture[Updated]):
    """What an order's actor answers a job with; the keeper hears of it at once."""

    def __init__(self, kept: TrackedJob, settled: Callable[[TrackedJob, Any, Any], None]) -> None:
        super().__init__()
        self._kept, self._settled = kept, settled

    def settle(self, value: Updated | None, error: BaseException | None) -> bool:
        """Answer, and tell the keeper."""
        if not super().settle(value, error):
            return False
        self._settled(self._kept, value, error)
        return True


class JobOutcomes:
    """Follows the jobs of one term to their ends; takes what ended out of `known`."""

    def __init__(
        self,
        inbox: Inbox,
        epoch: Epoch,
        known: dict[JobId, TrackedJob],
        *,
        refuse_repeats: bool = False,
    ) -> None:
        self._inbox, self._epoch, self._known = inbox, epoch, known
        self._refuse_repeats = refuse_repeats
        self._lane: Batcher[Progress] = Batcher(self._note, _NOTED_AT_ONCE, 1)
        self._finished = 0
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether the store knows all that has become of the jobs."""
        return self._lane.idle

    def close(self) -> None:
        """Note nothing more; the next owner finds out what became of it."""
        self._closed = True
        self._lane.close()

    def settled(self, kept: TrackedJob, value: Updated | None, error: BaseException | None) -> None:
        """Note what became of a job, unless that is for the next owner to find out."""
        job = kept.job
        if isinstance(error, (NotApplied, OutcomeUnknown, ActorDeadError)):
            # The term is over, or its order fenced: the job waits in the store.
            self._known.pop(job.id, None)
            return
        kept.done = True
        now = datetime.now(UTC)
        done = error is None or is_done_before(error, job.change, refuse=self._refuse_repeats)
        attempts, failures = kept.attempts, kept.failures
        if not isinstance(error, (PoisonMessage, StoreRejected)):  # whose last try is counted
            attempts += 1
            if error is not None and not done:
                failures = (*failures, failure_of(error))[-MAX_FAILURES:]
        self._submit(
            Progress(
                job.id,
                JobState.COMPLETED if done else JobState.FAILED,
                now,
                attempts,
                None if error is None else job_error(error),
                value,
                dead=not done and not isinstance(error, Refused),
                failures=failures,
            )
        )

    def unreadable(self, job: Job) -> None:
        """Note a job that nobody can do as a dead letter, so that people hear of it."""
        _log.error(
            "job_unreadable",
            job_id=job.id,
            work_order_id=job.work_order_id,
            reason=job.error.text if job.error else "",
        )
        self._submit(
            Progress(
                job.id,
                JobState.FAILED,
                datetime.now(UTC),
                job.attempts,
                job.error,
                dead=True,
                failures=job.failures,
            )
        )

    def failed(self, delivery: Delivery) -> None:
        """Note that a job, if it is one, failed by its own fault, and will be tried again."""
        kept = self._known.get(delivery.message.change.job_id) if delivery.durable else None
        if kept is not None:
            self._submit(
                Progress(
                    kept.job.id,
                    JobState.WAITING,
                    datetime.now(UTC),
                    kept.attempts,
                    kept.error,
                    failures=kept.failures,
                )
            )

    def _submit(self, progress: Progress) -> None:
        self._lane.submit(progress, None)

    async def _note(self, progress: list[Progress]) -> list[None]:
        pause = FIRST_PAUSE_S
        while not self._closed:
            try:
                await self._inbox.note(self._epoch, progress)
                break
            except Overtaken:
                break  # the later owner finds out what became of them
            except StoreRejected as error:
                if len(progress) > 1:
                    for each in progress:
                        await self._note([each])
                    return [None] * len(progress)
                # It waits in the store for the next owner, which finds its outcome in the log.
                _log.error("job_not_noted", job_id=progress[0].job_id, reason=str(error))
                break
            except Exception as error:  # noqa: BLE001 -- nobody else would note it
                _log.warning("inbox_unanswered", jobs=len(progress), error=repr(error))
            pause = await rest_for(pause)
        for each in progress:
            if each.state is not JobState.WAITING:
                self._known.pop(each.job_id, None)
        await self._bound(len(progress))
        return [None] * len(progress)

    async def _bound(self, finished: int) -> None:
        self._finished += finished
        if self._finished < _BOUND_EVERY:
            return
        self._finished = 0
        try:
            await self._inbox.bound(self._epoch, MAX_FINISHED)
        except WorkOrderError as error:
            _log.warning("inbox_unanswered", jobs=0, error=str(error))


def failure_of(error: BaseException) -> Failure:
    """Return what is kept of an attempt that failed just now."""
    return Failure(datetime.now(UTC), job_error(error))


def job_error(error: BaseException) -> JobError:
    """Return the code and the text that are kept of an error."""
    code = error.code if isinstance(error, WorkOrderError) else WorkOrderError.code
    code = _CODES.get(type(error), code)
    text = str(error)[:_MAX_TEXT] or type(error).__name__
    return JobError(code, text.encode("utf-8", "replace").decode())  # no database has surrogates
