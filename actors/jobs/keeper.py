"""The keeper of waiting work: durable before it is accepted, in its order's mailbox in its turn.

One per term of ownership. What the store's inbox holds when the term begins was perhaps done
already by an earlier owner; such jobs are suspects, whose outcome is looked up by their id.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any, Final

import structlog
from pykka import ActorDeadError

from actors.domain.job import JOB_UNREADABLE, MAX_FAILURES, Job, JobState, Position
from actors.domain.messages import OrderWaits, Queued, Resolve, Updated, UpdateQuantity
from actors.errors import (
    MailboxFull,
    NotOwner,
    TooManyActors,
    WorkOrderError,
)
from actors.jobs.arrivals import Arrivals
from actors.jobs.outcomes import JobOutcomes, JobReply, TrackedJob, job_error
from actors.runtime.delivery import Delivery
from actors.runtime.future import LoopFuture

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from pykka import ActorRef

    from actors.domain.evidence import Evidence, EvidenceQuery
    from actors.domain.model import Epoch, JobId, WorkOrderId
    from actors.runtime.directory import Directory
    from actors.runtime.mailbox import Mailbox
    from actors.store.jobs import Inbox

_log = structlog.get_logger(__name__)

_ROOM_S: Final = 0.05
"""Pause before an order's actor is asked for again, when there was no room for one."""
_UNCLAIMED_FIRST_S: Final = 5.0
_UNCLAIMED_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How much may wait in the inbox, how often a job is tried, and the first pause between."""

    size: int = 20_000
    attempts: int = 3
    backoff_s: float = 2.0
    refuse_repeats: bool = False
    """Whether a job without a key that repeats a counted scan has failed (rule 4)."""


class JobKeeper:
    """Keeps, places, follows and settles the jobs of one term."""

    def __init__(
        self,
        inbox: Inbox,
        epoch: Epoch,
        options: JobOptions,
        deposed: Callable[[int], None],
        ask_log: Callable[[EvidenceQuery], Awaitable[Evidence]],
    ) -> None:
        self.options = options
        self._inbox = inbox
        self.epoch = epoch
        """Of its term; in every write."""
        self.known: dict[JobId, TrackedJob] = {}
        """All that waits or is at work, until the store knows its outcome."""
        self.unplaced: dict[WorkOrderId, deque[TrackedJob]] = {}
        """What waits for an order that has no actor; whoever makes one calls `fill_mailbox`."""
        self._arrivals = Arrivals(self, inbox, deposed, ask_log)
        self._outcomes = JobOutcomes(
            inbox, epoch, self.known, refuse_repeats=options.refuse_repeats
        )
        self._directory: Directory | None = None
        self._supervisor: ActorRef[Any] | None = None
        self._work_waiting = asyncio.Event()
        self._last = 0
        self._draining = False
        self.closed = False
        """Whether the term is over, as far as jobs go."""

    # -- a term ------------------------------------------------------------------------------

    async def begin(self, supervisor: ActorRef[Any], directory: Directory) -> None:
        """Take over all that waits, in order; nobody else may be let in before."""
        self._supervisor, self._directory = supervisor, directory
        for job in await self._inbox.waiting():
            self.adopt(job, suspect=True)
        if self.known:
            _log.info("jobs_taken_over", epoch=self.epoch, jobs=len(self.known))

    def close(self) -> None:
        """Accept nothing more; what waits stays in the store, for the next owner."""
        self.closed = True
        self._arrivals.close()
        self._outcomes.close()
        self.unplaced.clear()

    @property
    def idle(self) -> bool:
        """Whether the store knows all that has become of the jobs."""
        return self._arrivals.idle and self._outcomes.idle

    def place(self) -> Position:
        """Return the next place in the order of all jobs."""
        self._last += 1
        return Position(self.epoch, self._last)

    # -- accepting ---------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Return how many more jobs may wait."""
        return max(0, self.options.size - len(self.known) - len(self._arrivals.ids))

    def check_room(self, jobs: int) -> None:
        """Raise `MailboxFull` where that many more are too many."""
        if jobs > self.room:
            raise MailboxFull("inbox", self.options.size)

    def accept(
        self, messages: Sequence[UpdateQuantity]
    ) -> LoopFuture[list[Queued | Updated | WorkOrderError]]:
        """Keep changes of one order, all or none; answered when they are durable.

        One whose key is settled in the log already is answered with that outcome.

        Raises:
            MailboxFull: the inbox is full; nothing was kept.

        """
        self.check_room(len(messages))
        now = datetime.now(UTC)
        jobs = tuple(
            Job(each.work_order_id, each.change, self.place(), now, each.trace) for each in messages
        )
        reply: LoopFuture[list[Queued | Updated | WorkOrderError]] = LoopFuture()
        self._arrivals.submit(jobs, messages[0].deadline, Delivery(messages, reply))
        return reply

    # -- placing -----------------------------------------------------------------------------

    def adopt(self, job: Job, *, suspect: bool) -> TrackedJob:
        """Look after a job, in its order's mailbox; `suspect` says that it may have run."""
        kept = self.known.get(job.id)
        if kept is not None:
            return kept
        kept = TrackedJob(job, suspect)
        if job.state is JobState.WAITING and not self.closed:
            self.known[job.id] = kept
            self._put(kept)
        elif job.error is not None and job.error.code == JOB_UNREADABLE and not self.closed:
            self._outcomes.unreadable(job)
        return kept

    def requeued(self, jobs: Iterable[Job]) -> None:
        """Look after jobs that were given new places in the store."""
        for job in jobs:
            self.adopt(job, suspect=True)

    def _put(self, kept: TrackedJob) -> None:
        order_id = kept.job.work_order_id
        outside = self.unplaced.get(order_id)
        if outside is None:
            ref = None if self._directory is None else self._directory.find(order_id)
            if ref is not None and self._place(kept, ref.actor_inbox):  # type: ignore[arg-type]
                return
            outside = self.unplaced[order_id] = deque()
        outside.append(kept)
        self._work_waiting.set()

    def _place(self, kept: TrackedJob, mailbox: Mailbox) -> bool:
        job = kept.job
        message = UpdateQuantity(
            job.work_order_id, job.change, inf, job.trace, wait=False, suspect=kept.suspect
        )
        kept.delivery = mailbox.place(
            message,
            JobReply(kept, self._outcomes.settled),
            attempts=job.attempts - job.forgiven,
        )
        return kept.delivery is not None

    def waits_for(self, order_id: WorkOrderId) -> OrderWaits:
        """Tell what waits for an order, whether or not it has an actor."""
        mailbox = None if self._directory is None else self._directory.made.get(order_id)
        live = mailbox is not None
        outside = self.unplaced.get(order_id)
        if outside:
            return OrderWaits(len(outside), outside[0].job.received_at, live)
        first = None if mailbox is None else mailbox.first
        if mailbox is None or first is None:
            return OrderWaits(live=live)
        kept = self.known.get(first.message.change.job_id) if first.durable else None
        if kept is not None:
            return OrderWaits(len(mailbox), kept.job.received_at, live)
        age = timedelta(seconds=time.monotonic() - first.enqueued_at)
        return OrderWaits(len(mailbox), datetime.now(UTC) - age, live)

    def fill_mailbox(self, order_id: WorkOrderId, mailbox: Mailbox) -> None:
        """Put what waits for the order into its new actor's mailbox, before anything else."""
        for kept in self.unplaced.pop(order_id, ()):
            self._place(kept, mailbox)

    def drain(self) -> None:
        """Make no further actors: what is outside stays in the store, for the next owner."""
        self._draining = True
        self._work_waiting.set()

    def feed(self) -> None:
        """Have actors made for orders for which something waits."""
        self._work_waiting.set()

    async def run_feeder(self) -> None:
        """Have actors made while there is something for them; runs as long as the term."""
        while self._supervisor is not None and self._directory is not None:
            await self._work_waiting.wait()
            self._work_waiting.clear()
            if self._draining:
                return
            for order_id in list(self.unplaced):
                if not self._makes_actors(self._directory):
                    break  # who resumes calls `feed`
                if order_id in self.unplaced and order_id not in self._directory.paused:
                    await self._make_actor(self._supervisor, order_id)

    def _makes_actors(self, directory: Directory) -> bool:
        return directory.gate.open and not self._draining

    async def _make_actor(self, supervisor: ActorRef[Any], order_id: WorkOrderId) -> None:
        try:
            await supervisor.ask(Resolve(order_id), block=False)
        except TooManyActors:
            self._work_waiting.set()
            await asyncio.sleep(_ROOM_S)
        except (ActorDeadError, NotOwner):
            return

    async def run_unclaimed(self) -> None:
        """Find jobs that came too late to be taken over, or whose answer was lost."""
        pause_s = _UNCLAIMED_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = _UNCLAIMED_S
            try:
                found = await self._inbox.waiting_ids()
                busy = self._arrivals.ids.union(self.known)
                unclaimed = {job_id: self.place() for job_id in found if job_id not in busy}
                if unclaimed:
                    jobs = await self._inbox.requeue(self.epoch, unclaimed, JobState.WAITING)
                    _log.warning("jobs_adopted", epoch=self.epoch, jobs=len(jobs))
                    self.requeued(jobs)
            except WorkOrderError as error:
                _log.warning("inbox_unanswered", jobs=0, error=str(error))

    # -- outcomes ----------------------------------------------------------------------------

    def withdraw(self, kept: TrackedJob) -> bool:
        """Take a job back that waits; False when it may have run, or might yet be stored again."""
        if kept.suspect or kept.done:
            return False
        order_id = kept.job.work_order_id
        if kept.delivery is None:
            outside = self.unplaced[order_id]
            outside.remove(kept)
            if not outside:
                del self.unplaced[order_id]
        elif not (kept.delivery.reply_to and kept.delivery.reply_to.withdraw()):
            return False
        del self.known[kept.job.id]
        return True

    async def remove(self, job_id: JobId, state: JobState) -> bool:
        """Forget a job in the store; who sends its key meanwhile waits, and begins anew."""
        return await self._arrivals.remove(job_id, state)

    async def set_order_paused(self, order_id: WorkOrderId, *, paused: bool) -> None:
        """Remember durably whether an order is paused."""
        await self._inbox.set_order_paused(self.epoch, order_id, paused=paused)

    def failed(self, delivery: Delivery) -> None:
        """Note that a job, if it is one, failed by its own fault, and will be tried again."""
        self._outcomes.failed(delivery)

    def dead_letter(self, delivery: Delivery, error: WorkOrderError) -> None:
        """Keep an update that was given up, whose caller has been told so, as a dead letter."""
        message: UpdateQuantity = delivery.message
        job = Job(
            message.work_order_id,
            message.change,
            self.place(),
            now := datetime.now(UTC),
            message.trace,
            JobState.FAILED,
            delivery.attempts,
            job_error(error),
            dead=True,
            finished_at=now,
            failures=delivery.failures[-MAX_FAILURES:],
        )
        self._arrivals.submit((job,), inf, None)
