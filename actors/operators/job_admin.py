"""What operators ask about jobs, and do with them: on the owner live, elsewhere as stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from actors.domain.decide import updated
from actors.domain.job import JOB_UNREADABLE, Job, JobState, Position
from actors.domain.model import LogEntry
from actors.errors import JobNotFound, JobStateConflict, NotOwner
from actors.store.job_documents import job_document
from actors.store.jobs import JobPage, JobQuery
from actors.store.pages import bytes_of, within
from actors.telemetry.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.domain.model import JobId, WorkOrderId
    from actors.jobs.keeper import JobKeeper
    from actors.jobs.outcomes import TrackedJob
    from actors.store.jobs import Inbox

_RETRIED_AT_ONCE: Final = 500
ACTIVE: Final = "active"
DELAYED: Final = "delayed"
LIVE_STATES: Final = (JobState.WAITING.value, ACTIVE, DELAYED)
LATEST_DEAD_LETTER: Final = JobQuery(JobState.FAILED, dead=True, page_size=1)
"""The update that was given up last; the total is the number of them."""


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs there are in each state."""

    waiting: int
    active: int
    delayed: int
    completed: int
    failed: int
    retryable: int
    """Of those that failed: it is known what was to be done, so that they can be tried again."""


class JobAdmin:
    """Reads and changes jobs; `keeper` gives the owner's keeper, None on any other node."""

    def __init__(
        self, inbox: Inbox, keeper: Callable[[], JobKeeper | None], tally: Tally | None = None
    ) -> None:
        self._inbox, self._keeper = inbox, keeper
        self._tally = tally or Tally()

    # -- reading -----------------------------------------------------------------------------

    async def find(self, job_id: JobId) -> tuple[Job, str]:
        """Return a job and its state; one that was never in the inbox from the log.

        Raises:
            JobNotFound: neither has it.

        """
        keeper = self._keeper()
        kept = keeper.known.get(job_id) if keeper else None
        if kept is not None and not kept.done:
            return _as_tried(kept), kept.state
        job = await self._inbox.find(job_id)
        if job is not None:
            done = kept is not None and job.state is JobState.WAITING
            return job, ACTIVE if done else job.state.value
        outcome = await self._inbox.outcome(job_id)
        if not isinstance(outcome, LogEntry):
            raise JobNotFound(job_id)
        return _job_of(outcome), JobState.COMPLETED.value

    async def counts(
        self, order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> JobCounts:
        """Count jobs by state, or those of one order, or that failed last with one error."""
        stored = await self._inbox.counts(order_id, error_code)
        live = self.live(order_id, error_code)
        waiting, active, delayed = (
            (stored.waiting, 0, 0) if live is None else (live[state] for state in LIVE_STATES)
        )
        retryable = stored.failed - stored.unreadable
        return JobCounts(waiting, active, delayed, stored.completed, stored.failed, retryable)

    def live(self, order_id: WorkOrderId | None, error_code: str | None) -> Counter[str] | None:
        """Count what waits or is at work here, by state; None on a node that is no owner."""
        keeper = self._keeper()
        if keeper is None:
            return None
        return Counter(
            kept.state for kept in keeper.known.values() if _fits(kept, order_id, error_code)
        )

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
        """Return how many jobs are in `state`, and one page of them; of those with one error.

        With `max_bytes` a page ends early, as the port says.
        """
        keeper = self._keeper()
        if state in LIVE_STATES and keeper is not None:
            found = [
                kept
                for kept in keeper.known.values()
                if kept.state == state and _fits(kept, order_id, error_code)
            ]
            found.sort(key=lambda kept: kept.job.position)
            start = (page - 1) * page_size
            shown = map(_as_tried, found[start : start + page_size])
            return len(found), [(job, state) for job in within(shown, max_bytes, size_of)]
        if state in (ACTIVE, DELAYED):
            return 0, []
        query = JobQuery(
            JobState(state),
            order_id,
            error_code,
            page=page,
            page_size=page_size,
            max_bytes=max_bytes,
        )
        stored: JobPage = await self._inbox.page(query)
        return stored.total, [(job, job.state.value) for job in stored.jobs]

    # -- changing ----------------------------------------------------------------------------

    async def retry(self, job_id: JobId) -> Job:
        """Let a failed job wait again, behind all others.

        Raises:
            JobNotFound: there is no such job.
            JobStateConflict: it has not failed.
            MailboxFull: the inbox is full.

        """
        keeper = self._owner()
        keeper.check_room(1)
        moved = await self._inbox.requeue(keeper.epoch, {job_id: keeper.place()}, JobState.FAILED)
        keeper.requeued(moved)
        if not moved:
            _, state = await self.find(job_id)
            raise JobStateConflict(job_id, state)
        self._tally.retry(1)
        return moved[0]

    async def retry_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Let all failed jobs wait again, of one order or with one error; give their number.

        Raises:
            MailboxFull: there is no room for any of them.

        """
        keeper = self._owner()
        retried = 0
        query = replace(_failed(order_id, error_code), page_size=_RETRIED_AT_ONCE)
        while found := (await self._inbox.page(query)).jobs:
            failed = [job for job in found if _can_be_done(job)]
            if not failed:
                query = replace(query, page=query.page + 1)
                continue
            room = keeper.room
            if not room and retried:
                return retried
            keeper.check_room(1)
            # Oldest first, as they were accepted.
            some = sorted(failed, key=lambda job: job.position)[:room]
            places: dict[JobId, Position] = {job.id: keeper.place() for job in some}
            moved = await self._inbox.requeue(keeper.epoch, places, JobState.FAILED)
            keeper.requeued(moved)
            retried += len(moved)
            self._tally.retry(len(moved))
            if not moved:
                return retried
        return retried

    async def discard_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Forget all jobs that failed so far, of one order or with one error; give their number."""
        return await self._inbox.discard(self._owner().epoch, _failed(order_id, error_code))

    async def remove(self, job_id: JobId) -> JobState:
        """Take back a job that waits and is certain not to have run, or forget a failed one.

        Returns the state that it was in.

        Raises:
            JobNotFound: there is no such job.
            JobStateConflict: it is applied, with its result; or it is at work, or may have been,
                under an earlier owner.

        """
        keeper = self._owner()
        kept = keeper.known.get(job_id)
        if kept is not None:
            if not keeper.withdraw(kept):
                raise JobStateConflict(job_id, kept.state)
            # Should this fail, the job is found to be nobody's in a while, and runs.
            if await keeper.remove(job_id, JobState.WAITING):
                return JobState.WAITING
        job, state = await self.find(job_id)
        if state != JobState.FAILED or not await keeper.remove(job_id, JobState.FAILED):
            raise JobStateConflict(job_id, state, job.result)
        return JobState.FAILED

    async def clean(self, grace_s: float) -> int:
        """Forget what finished more than `grace_s` seconds ago; give the number."""
        longest = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        before = datetime.now(UTC) - timedelta(seconds=min(grace_s, longest))
        return await self._inbox.forget(self._owner().epoch, before)

    def _owner(self) -> JobKeeper:
        keeper = self._keeper()
        if keeper is None:
            raise NotOwner("this node does not own the actors")
        return keeper


def _failed(order_id: WorkOrderId | None, error_code: str | None) -> JobQuery:
    """Return the query of what has failed by now: what fails from now on is not meant."""
    return JobQuery(JobState.FAILED, order_id, error_code, finished_before=datetime.now(UTC))


def _can_be_done(job: Job) -> bool:
    return job.error is None or job.error.code != JOB_UNREADABLE


def _as_tried(kept: TrackedJob) -> Job:
    """Return the job with the attempts that this owner saw the end of."""
    return replace(kept.job, attempts=kept.attempts, error=kept.error, failures=kept.failures)


def _fits(kept: TrackedJob, order_id: WorkOrderId | None, error_code: str | None) -> bool:
    failed_with = None if kept.error is None else kept.error.code
    return order_id in (None, kept.job.work_order_id) and error_code in (None, failed_with)


def _job_of(entry: LogEntry) -> Job:
    """Return the job that left this entry in the log."""
    return Job(
        entry.work_order_id,
        entry.change,
        Position(entry.epoch, 0),
        entry.operate_time,
        state=JobState.COMPLETED,
        attempts=1,
        result=updated(entry),
        finished_at=entry.operate_time,
    )


def size_of(job: Job) -> int:
    """Return about how many bytes a job is, of a page of them."""
    return bytes_of(job_document(job))
