"""Jobs on their way into the store: nothing is answered QUEUED that the store does not have."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from actors.domain.decide import known_outcome
from actors.domain.evidence import EvidenceQuery
from actors.domain.job import Job, JobState, Position
from actors.domain.messages import Queued
from actors.errors import (
    OutcomeUnknown,
    Overtaken,
    RequestIdConflict,
    StillWaiting,
    StoreRejected,
    StoreUnavailable,
    WorkOrderError,
)
from actors.jobs.outcomes import TrackedJob
from actors.runtime.backoff import FIRST_PAUSE_S, rest_for
from actors.runtime.batcher import Batcher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from actors.domain.decide import Verdict
    from actors.domain.evidence import Evidence
    from actors.domain.model import Epoch, JobId, RequestId, WorkOrderId
    from actors.runtime.delivery import Delivery
    from actors.store.jobs import Inbox

_log = structlog.get_logger(__name__)

_ADDED_AT_ONCE: Final = 500
_DEAD_LETTER_AGAIN_S: Final = 1.0


class Keeper(Protocol):
    """Who looks after jobs once they are stored."""

    epoch: Epoch
    known: dict[JobId, TrackedJob]
    closed: bool

    def place(self) -> Position:
        """Return the next place in the order of all jobs."""
        ...

    def adopt(self, job: Job, *, suspect: bool) -> TrackedJob:
        """Look after a job; `suspect` says that it may have run."""
        ...


@dataclass(slots=True)
class _Arrival:
    """Jobs of one order that are kept all or none."""

    jobs: tuple[Job, ...]
    deadline: float = inf
    doubtful: bool = False
    """Whether they were sent, and what became of that is not known."""


class Arrivals:
    """Adds jobs to the store, many in one round trip, and finds those that are there already."""

    def __init__(
        self,
        keeper: Keeper,
        inbox: Inbox,
        deposed: Callable[[int], None],
        ask_log: Callable[[EvidenceQuery], Awaitable[Evidence]],
    ) -> None:
        self._keeper, self._inbox = keeper, inbox
        self._deposed, self._ask_log = deposed, ask_log
        self.ids: set[JobId] = set()
        """Jobs that are not stored yet."""
        self._removing: dict[JobId, asyncio.Event] = {}
        """Jobs that are being taken back, and the end of that."""
        self._adds: Batcher[_Arrival] = Batcher(self._keep, _ADDED_AT_ONCE, 1, apart=True)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return self._adds.idle

    def close(self) -> None:
        """Add nothing more."""
        self._adds.close()

    def submit(self, jobs: tuple[Job, ...], deadline: float, delivery: Delivery | None) -> None:
        """Store jobs of one order, all or none, until `deadline` (monotonic seconds)."""
        if delivery is not None:
            self.ids.update(job.id for job in jobs)
        self._adds.submit(_Arrival(jobs, deadline), delivery, weight=len(jobs))

    async def remove(self, job_id: JobId, state: JobState) -> bool:
        """Forget a stored job; who sends its key meanwhile waits, and begins anew."""
        if job_id in self._removing:
            return False
        self._removing[job_id] = asyncio.Event()
        try:
            return await self._inbox.remove(self._keeper.epoch, job_id, state)
        finally:
            self._removing.pop(job_id).set()

    async def _keep(self, arrivals: list[_Arrival]) -> list[object]:
        now = time.monotonic()
        wanted = [each for each in arrivals if each.doubtful or each.deadline > now]
        try:
            kept = await self._until_kept(wanted)
        finally:
            self.ids.difference_update(job.id for each in arrivals for job in each.jobs)
        _doubt(wanted)  # they may have run by the time that they are kept once more
        stored = {job.id: tracked for job, tracked in kept}
        settled = await self._settled(job for job, _ in kept)
        return [
            [settled.get(job.id) or self._kept_as(job, stored[job.id]) for job in each.jobs]
            if each.doubtful or each.deadline > now
            else StillWaiting(paused=False)
            for each in arrivals
        ]

    async def _settled(self, jobs: Iterable[Job]) -> dict[JobId, Verdict | WorkOrderError]:
        """Look in the log for keys that have an outcome: it is known for good.

        After these were stored: looking first, an earlier job of the key could end and be
        forgotten in between. One that is stored in vain runs as a repeat of its key.
        """
        by_order: dict[WorkOrderId, list[Job]] = {}
        for job in jobs:
            if job.change.request_id is not None and job.state is JobState.WAITING:
                by_order.setdefault(job.work_order_id, []).append(job)
        found: dict[JobId, Verdict | WorkOrderError] = {}
        asked = [
            self._ask_log(EvidenceQuery(order_id, frozenset(_keys(some))))
            for order_id, some in by_order.items()
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for some, evidence in zip(by_order.values(), answers, strict=True):
            for job in some:
                known = _known_before(job, evidence)
                if known is not None:
                    found[job.id] = known
        return found

    def _kept_as(self, job: Job, stored: TrackedJob) -> Queued | WorkOrderError:
        kept = stored.job
        if kept.change.fingerprint != job.change.fingerprint:
            return RequestIdConflict(str(job.change.request_id))
        return Queued(kept.change, kept.work_order_id, replayed=kept.id != job.id)

    async def _until_kept(self, arrivals: list[_Arrival]) -> list[tuple[Job, TrackedJob]]:
        """Add jobs until the store has answered, and put them into their mailboxes."""
        jobs = [job for each in arrivals for job in each.jobs]
        pause = FIRST_PAUSE_S
        while jobs:
            try:
                stored = await self._add(jobs)
                break
            except Overtaken as error:
                self._deposed(error.seen)
                raise
            except StoreUnavailable:
                if not any(each.doubtful for each in arrivals):
                    self._again_later(jobs)
                    raise  # nothing was sent: the callers may be told so
            except OutcomeUnknown as error:
                _doubt(arrivals)
                _log.warning("inbox_unanswered", jobs=len(jobs), error=str(error))
            except StoreRejected:
                raise
            except Exception:
                _doubt(arrivals)  # the lane gives them once more, in parts
                raise
            if self._keeper.closed:
                raise OutcomeUnknown("the term ended before the store had answered")
            pause = await rest_for(pause)
        if not jobs:
            return []
        doubtful = any(each.doubtful for each in arrivals)
        mine = {job.id for job in jobs}
        lost = [job for job in stored if self._is_unclaimed(job)]
        moved = {job.id: job for job in await self._moved(lost)}
        kept = [
            self._keeper.adopt(moved.get(job.id, job), suspect=doubtful or job.id not in mine)
            if job.id in mine or job.id in moved or job.id in self._keeper.known
            else TrackedJob(job, suspect=True)
            for job in stored
        ]
        return list(zip(jobs, kept, strict=True))

    async def _add(self, jobs: list[Job]) -> list[Job]:
        while True:
            stored = await self._inbox.add(self._keeper.epoch, jobs)
            going = [self._removing[job.id] for job in stored if job.id in self._removing]
            if not going:
                return stored
            # One that is just taken back is none that a later call can be answered with.
            await asyncio.gather(*(each.wait() for each in going))

    def _is_unclaimed(self, job: Job) -> bool:
        """Whether a job waits that came too late to be taken over.

        One that this owner accepted itself, and no longer follows, is left to the next owner: the
        term is about to end, and a new place would put it behind what was accepted later.
        """
        earlier = job.position.epoch < self._keeper.epoch
        return job.state is JobState.WAITING and earlier and job.id not in self._keeper.known

    async def _moved(self, jobs: Iterable[Job]) -> list[Job]:
        """Return jobs that nobody looked after places behind all that were accepted since."""
        places = {job.id: self._keeper.place() for job in jobs}
        try:
            return (
                await self._inbox.requeue(self._keeper.epoch, places, JobState.WAITING)
                if places
                else []
            )
        except WorkOrderError as error:  # they keep their old places: that loses nothing
            _log.warning("inbox_unanswered", jobs=len(places), error=str(error))
            return []

    def _again_later(self, jobs: Iterable[Job]) -> None:
        """Try dead letters again: nobody else would keep them."""
        for job in jobs:
            if job.state is JobState.FAILED:
                asyncio.get_running_loop().call_later(
                    _DEAD_LETTER_AGAIN_S, self._adds.submit, _Arrival((job,)), None
                )


def _known_before(job: Job, evidence: Evidence | BaseException) -> Verdict | WorkOrderError | None:
    if isinstance(evidence, WorkOrderError):
        return OutcomeUnknown(f"it is stored; whether its key was settled before: {evidence}")
    if isinstance(evidence, BaseException):
        raise evidence
    earlier = evidence.by_request.get(job.change.request_id) if job.change.request_id else None
    if earlier is None or earlier.change.job_id == job.id:  # by now this very job may have run
        return None
    return known_outcome(job.change, evidence)


def _keys(jobs: Iterable[Job]) -> Iterator[RequestId]:
    return (job.change.request_id for job in jobs if job.change.request_id is not None)


def _doubt(arrivals: Iterable[_Arrival]) -> None:
    for each in arrivals:
        each.doubtful = True
