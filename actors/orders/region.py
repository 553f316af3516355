"""The region: which actor is order X, and how to ask it; it alone knows where orders live."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pykka import ActorDeadError

from actors.domain.messages import (
    Pause,
    PauseOrder,
    Queued,
    Resolve,
    Resume,
    ResumeOrder,
    Updated,
    UpdateQuantity,
)
from actors.errors import (
    NotOwner,
    OutcomeUnknown,
    StillWaiting,
    WorkOrderError,
)
from actors.orders.batch import Answer, update_many
from actors.orders.deadlines import LAST_WORD_S, answer_within, seconds_left
from actors.orders.neighbours import NeighbourLocks, SharedWith
from actors.runtime.directory import mailbox_of
from actors.runtime.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from pykka import ActorRef

    from actors.domain.messages import OrderLock, OrderWaits
    from actors.domain.model import Epoch, WorkOrderId
    from actors.jobs.keeper import JobKeeper
    from actors.orders.supervisor import Supervisor
    from actors.runtime.directory import Directory
    from actors.runtime.future import LoopFuture
    from actors.telemetry.telemetry import Telemetry


class Backlog(NamedTuple):
    """What of the mailboxes each answer says; `wait_ms` is the recent mean wait in one."""

    waiting: int
    active: int
    wait_ms: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """The mailboxes as a whole; `wait_ms` is the recent mean wait in a mailbox."""

    waiting: int
    active: int
    completed: int
    failed: int
    delayed: int
    live_actors: int
    paused: bool
    wait_ms: float
    paused_orders: tuple[WorkOrderId, ...] = ()
    jobs: int | None = None
    """Accepted jobs that are not done yet; None where this node owns no actors."""


class Region:
    """Routes messages to order actors; holds none of their state.

    `enter` and `leave` mark the term in which this node owns the actors; outside of it every
    update is answered `NotOwner`.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        remember_pause: Callable[[Epoch, bool], Awaitable[None]],
        shared: SharedWith | None = None,
    ) -> None:
        self._remember_pause = remember_pause
        self._supervisor: ActorRef[Supervisor] | None = None
        self._directory: Directory | None = None
        self._jobs: JobKeeper | None = None
        self._refusal: str = "this node does not own the actors yet"
        self._neighbours = None if shared is None else NeighbourLocks(self, shared)
        self.telemetry = telemetry
        self.paused = False
        self.changing_pause = asyncio.Lock()
        """Held while a pause or resume is remembered and told, and while a term reads it."""

    @property
    def jobs(self) -> JobKeeper | None:
        """The keeper of waiting work, while this node owns the actors."""
        return self._jobs

    def enter(
        self,
        supervisor: ActorRef[Supervisor],
        directory: Directory,
        jobs: JobKeeper,
        *,
        paused: bool,
    ) -> None:
        """Begin to route to this supervisor's actors, whose gate is set as `paused` says."""
        self._supervisor, self._directory, self._jobs = supervisor, directory, jobs
        self.paused = paused

    def leave(self, reason: str) -> None:
        """Route nothing any more; new messages are refused with `reason`."""
        self._supervisor = self._directory = self._jobs = None
        self._refusal = reason

    def update(self, message: UpdateQuantity) -> Coroutine[Any, Any, Updated | Queued]:
        """Have one change applied; or kept, where its caller does not wait or its order is paused.

        To be awaited.

        Raises:
            StillWaiting: the deadline passed before an actor saw the message: not applied.
            OutcomeUnknown: the deadline passed while it was being committed.
            WorkOrderError: what the order's actor answered.

        """
        return self._keep(message) if self.is_queued(message) else self.apply(message)

    async def _keep(self, message: UpdateQuantity) -> Updated | Queued:
        (kept,) = await self.accept([message])
        if isinstance(kept, WorkOrderError):
            raise kept
        return kept

    async def apply(self, message: UpdateQuantity) -> Updated:
        """Have one change applied by its order's actor; raises as `update` does."""
        while True:
            directory = self._directory
            ref = None if directory is None else directory.find(message.work_order_id)
            if ref is None:
                ref = await self.find(message)
            reply: LoopFuture[Updated] = mailbox_of(ref).ask(message)
            try:
                return await answer_within(reply, message.deadline, self)
            except ActorDeadError:
                # Its actor went before it saw the message: ask for the next one.
                if message.deadline <= time.monotonic():
                    raise StillWaiting(paused=self.paused) from None

    async def operate(self, message: UpdateQuantity) -> Updated:
        """Have an operation of a whole order done, now or not at all; raises as `update` does."""
        if self.is_queued(message):
            raise StillWaiting(paused=True)
        locks = self._neighbours
        if locks is not None and locks.concerns(message.change.type):
            return await locks.operate(message)
        return await self.apply(message)

    async def complete_with_supplements(
        self,
        message: UpdateQuantity,
        closable: Callable[[WorkOrderId], Awaitable[list[WorkOrderId]]],
    ) -> None:
        """Complete an original, if it still is `closable`; raises as `operate` does."""
        if self.is_queued(message):
            raise StillWaiting(paused=True)
        if self._neighbours is not None:
            await self._neighbours.complete_with_supplements(message, closable)

    def is_queued(self, message: UpdateQuantity) -> bool:
        """Whether the update is only stored now, and applied later."""
        if self.paused or not message.wait:
            return True
        return self._directory is not None and message.work_order_id in self._directory.paused

    async def accept(
        self, messages: Sequence[UpdateQuantity]
    ) -> list[Queued | Updated | WorkOrderError]:
        """Have changes of one order kept, all or none."""
        if self._jobs is None:
            raise NotOwner(self._refusal)
        reply = self._jobs.accept(messages)
        try:
            return await reply.within(seconds_left(messages[0].deadline) + LAST_WORD_S)
        except TimeoutError:
            raise OutcomeUnknown("the deadline passed while the update was being kept") from None

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Answer]:
        """Have many changes applied: orders in parallel, one order's changes as they stand."""
        return await update_many(self, messages)

    async def find(self, message: UpdateQuantity) -> ActorRef[Any]:
        """Return the actor of the update's order, made if there is none; raises `NotOwner`."""
        if self._supervisor is None or self._directory is None:
            raise NotOwner(self._refusal)
        order_id = message.work_order_id
        ref = self._directory.find(order_id)
        if ref is not None:
            return ref
        reply: LoopFuture[ActorRef[Any]]
        reply = self._supervisor.ask(Resolve(order_id), block=False)  # type: ignore[assignment]
        try:
            return await reply.within(seconds_left(message.deadline))
        except ActorDeadError:
            raise NotOwner(self._refusal) from None
        except TimeoutError:
            raise StillWaiting(paused=self.paused) from None

    # -- operators ---------------------------------------------------------------------------

    async def pause(self) -> None:
        """Stop the processing of updates, durably; what arrives waits."""
        await self._set_paused(paused=True)

    async def resume(self) -> None:
        """Process updates again."""
        await self._set_paused(paused=False)

    async def _set_paused(self, *, paused: bool) -> None:
        async with self.changing_pause:
            if self._supervisor is None or self._jobs is None:
                raise NotOwner(self._refusal)
            await self._remember_pause(self._jobs.epoch, paused)
            await self._tell_paused(paused=paused)

    async def heed_pause(self, remembered: Callable[[], Awaitable[bool]]) -> None:
        """Do as was remembered elsewhere: a pause of all is one for all shards."""
        async with self.changing_pause:
            if self._supervisor is not None and (paused := await remembered()) is not self.paused:
                await self._tell_paused(paused=paused)

    async def _tell_paused(self, *, paused: bool) -> None:
        self.paused = paused
        self.telemetry.happened("paused" if paused else "resumed")
        if self._supervisor is not None:  # else the next term reads what was remembered
            with suppress(ActorDeadError):
                await self._supervisor.ask(Pause() if paused else Resume(), block=False)

    def is_paused(self, order_id: WorkOrderId) -> bool:
        """Return whether this one order is paused, here where it is owned."""
        return self._directory is not None and order_id in self._directory.paused

    async def pause_order(self, order_id: WorkOrderId) -> None:
        """Stop the processing of one order, durably; what arrives for it waits."""
        await self._set_order_paused(order_id, paused=True)

    async def resume_order(self, order_id: WorkOrderId) -> None:
        """Process one order's updates again."""
        await self._set_order_paused(order_id, paused=False)

    async def _set_order_paused(self, order_id: WorkOrderId, *, paused: bool) -> None:
        async with self.changing_pause:
            if self._supervisor is None or self._jobs is None:
                raise NotOwner(self._refusal)
            await self._jobs.set_order_paused(order_id, paused=paused)
            self.telemetry.happened("paused" if paused else "resumed", order_id=order_id)
            if self._supervisor is not None:  # else the next term reads what was remembered
                change = PauseOrder(order_id) if paused else ResumeOrder(order_id)
                with suppress(ActorDeadError):
                    await self._supervisor.ask(change, block=False)

    async def waits_for(self, order_ids: Sequence[WorkOrderId]) -> list[OrderWaits]:
        """Tell what waits for orders, here where they are owned."""
        jobs = self._jobs
        if jobs is None:
            raise NotOwner("this node does not own the actors")
        return await in_slices(jobs.waits_for, order_ids)

    def backlog(self) -> Backlog:
        """Count what waits and what is at work."""
        directory, jobs = self._directory, self._jobs
        if directory is None or jobs is None:
            return Backlog(0, 0, 0.0)
        gate = directory.gate
        outside = sum(map(len, jobs.unplaced.values())) if jobs.unplaced else 0
        return Backlog(
            gate.waiting - gate.backing_off + outside,
            max(0, gate.active - gate.delayed),
            gate.wait_s * 1000,
        )

    def statistics(self) -> Statistics:
        """Count what waits, what is at work and what was done."""
        done = (self.telemetry.tally.completed, self.telemetry.tally.failed)
        backlog, directory, jobs = self.backlog(), self._directory, self._jobs
        if directory is None or jobs is None:
            return Statistics(0, 0, *done, 0, 0, paused=self.paused, wait_ms=0.0)
        gate = directory.gate
        return Statistics(
            backlog.waiting,
            backlog.active,
            *done,
            delayed=gate.delayed + gate.backing_off,
            live_actors=len(directory),
            paused=self.paused,
            wait_ms=backlog.wait_ms,
            paused_orders=tuple(sorted(directory.paused)),
            jobs=len(jobs.known),
        )

    @property
    def done(self) -> int:
        """Updates that orders' actors are done with, since the node owns them."""
        return self._directory.gate.done if self._directory is not None else 0

    def clean(self, grace_s: float) -> None:
        """Forget completed and failed updates that finished more than `grace_s` seconds ago."""
        self.telemetry.tally.forget(grace_s)

    async def held(self, limit: int) -> tuple[int, list[OrderLock]]:
        """Return the number of orders held by live actors, and `limit` of them, oldest first."""
        if self._directory is None:
            return 0, []
        return len(self._directory), self._directory.held(limit)
