"""The region: which actor is order X, and how to ask it; it alone knows where orders live."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pykka import ActorDeadError

from actors.errors import (
    MailboxFull,
    NotApplied,
    NotOwner,
    OutcomeUnknown,
    StillWaiting,
    WorkOrderError,
)
from actors.figures import Figures
from actors.messages import (
    Pause,
    PauseOrder,
    Queued,
    Resolve,
    Resume,
    ResumeOrder,
    Updated,
    UpdateQuantity,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from pykka import ActorRef

    from actors.future import LoopFuture
    from actors.jobs import JobKeeper
    from actors.messages import Held
    from actors.order import WorkOrderActor
    from actors.rules import WorkOrderId
    from actors.supervisor import Directory, Supervisor


_LAST_WORD_S = 0.25
Outcome = Updated | Queued | WorkOrderError
"""What becomes of one change of a batch."""


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


class Region:
    """Routes messages to order actors; holds none of their state.

    `enter` and `leave` mark the term in which this node owns the actors; outside of it every
    update is answered `NotOwner`.
    """

    def __init__(self, remember_pause: Callable[[bool], Awaitable[None]]) -> None:
        self._remember_pause = remember_pause
        self._supervisor: ActorRef[Supervisor] | None = None
        self._directory: Directory | None = None
        self._jobs: JobKeeper | None = None
        self._refusal: str = "this node does not own the actors yet"
        self.figures = Figures()
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

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        """Have one change applied; or kept, where its caller does not wait or its order is paused.

        Raises:
            StillWaiting: the deadline passed before an actor saw the message: not applied.
            OutcomeUnknown: the deadline passed while it was being committed.
            WorkOrderError: what the order's actor answered.

        """
        if self._is_kept(message):
            (kept,) = await self._keep([message])
            if isinstance(kept, WorkOrderError):
                raise kept
            return kept
        while True:
            try:
                return await _answer(await self._send(message), message.deadline, self, _LastWord())
            except ActorDeadError:
                # Its actor went before it saw the message: ask for the next one.
                if message.deadline <= time.monotonic():
                    raise StillWaiting(paused=self.paused) from None

    def _is_kept(self, message: UpdateQuantity) -> bool:
        return not message.wait or self.paused or self.is_paused(message.work_order_id)

    async def _keep(self, messages: Sequence[UpdateQuantity]) -> list[Queued | WorkOrderError]:
        """Have changes of one order kept, all or none."""
        if self._jobs is None:
            raise NotOwner(self._refusal)
        reply = self._jobs.accept(messages)
        try:
            return await reply.within(_left(messages[0].deadline) + _LAST_WORD_S)
        except TimeoutError:
            raise OutcomeUnknown("the deadline passed while the update was being kept") from None

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Outcome]:
        """Have many changes applied: orders in parallel, one order's changes as they stand."""
        by_order: dict[WorkOrderId, list[int]] = {}
        for index, message in enumerate(messages):
            by_order.setdefault(message.work_order_id, []).append(index)
        results: list[Outcome] = [NotOwner("not reached")] * len(messages)

        async def run(indexes: list[int]) -> None:
            missed: WorkOrderError | None = None
            for kept, group in groupby(indexes, lambda index: self._is_kept(messages[index])):
                part = list(group)
                if missed is not None:
                    for index in part:
                        results[index] = missed
                    continue
                work = self._keep_in_order if kept else self._update_in_order
                await work(messages, part, results)
                # A later change must not overtake one that was not applied.
                missed = _first_missed(results[index] for index in part)
                if missed is None and messages[part[-1]].deadline <= time.monotonic():
                    # What was unknown at its deadline had its last word; the rest is not sent.
                    missed = StillWaiting(paused=self.paused)

        async with asyncio.TaskGroup() as group:
            for indexes in by_order.values():
                group.create_task(run(indexes))
        return results

    async def _keep_in_order(
        self,
        messages: Sequence[UpdateQuantity],
        indexes: Sequence[int],
        results: list[Outcome],
    ) -> None:
        try:
            kept: Sequence[Outcome] = await self._keep([messages[index] for index in indexes])
        except WorkOrderError as error:
            kept = [error] * len(indexes)
        for index, each in zip(indexes, kept, strict=True):
            results[index] = each

    async def _update_in_order(
        self,
        messages: Sequence[UpdateQuantity],
        indexes: Sequence[int],
        results: list[Outcome],
    ) -> None:
        try:
            ref = await self._find(messages[indexes[0]])
        except WorkOrderError as error:
            for index in indexes:
                results[index] = error
            return
        # All into the mailbox in one turn of the loop: neighbours cannot get in between.
        asked: list[tuple[int, LoopFuture[Updated]]] = []
        for position, index in enumerate(indexes):
            reply = _ask(ref, messages[index])
            if isinstance(reply, MailboxFull) and asked:
                # Its own items may be what fills the mailbox: a batch larger than that must get
                # through all the same, and sent again it would fill it again.
                missed = await self._collect(messages, asked, results)
                asked.clear()
                reply = missed or _ask(ref, messages[index])
            if isinstance(reply, WorkOrderError):
                for later in indexes[position:]:
                    results[later] = reply
                break
            asked.append((index, reply))
        await self._collect(messages, asked, results)

    async def _collect(
        self,
        messages: Sequence[UpdateQuantity],
        asked: Sequence[tuple[int, LoopFuture[Updated]]],
        results: list[Outcome],
    ) -> NotApplied | None:
        """Await the replies; give the error of the first change that was not applied, if any.

        A later change must not overtake it: what no actor has seen by then shares its fate.
        """
        missed: NotApplied | None = None
        last_word = _LastWord()
        for index, reply in asked:
            result = await self._result(messages[index], reply, missed, last_word)
            results[index] = result
            if missed is None and isinstance(result, NotApplied):
                missed = result
        return missed

    async def _result(
        self,
        message: UpdateQuantity,
        reply: LoopFuture[Updated],
        missed: NotApplied | None,
        last_word: _LastWord,
    ) -> Outcome:
        if missed is not None and reply.withdraw():
            return missed
        try:
            return await _answer(reply, message.deadline, self, last_word)
        except ActorDeadError:
            return missed or await self._again(message)
        except WorkOrderError as error:
            return error

    async def _again(self, message: UpdateQuantity) -> Outcome:
        try:
            return await self.update(message)
        except WorkOrderError as error:
            return error

    async def _send(self, message: UpdateQuantity) -> LoopFuture[Updated]:
        directory = self._directory
        ref = directory.find(message.work_order_id) if directory else None
        if ref is None:
            ref = await self._find(message)
        return ref.ask(message, block=False)  # type: ignore[return-value]

    async def _find(self, message: UpdateQuantity) -> ActorRef[WorkOrderActor]:
        if self._supervisor is None or self._directory is None:
            raise NotOwner(self._refusal)
        order_id = message.work_order_id
        ref = self._directory.find(order_id)
        if ref is not None:
            return ref
        reply: LoopFuture[ActorRef[WorkOrderActor]]
        reply = self._supervisor.ask(Resolve(order_id), block=False)  # type: ignore[assignment]
        try:
            return await reply.within(_left(message.deadline))
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
            if self._supervisor is None:
                raise NotOwner(self._refusal)
            await self._remember_pause(paused)
            self.paused = paused
            self.figures.happened("paused" if paused else "resumed")
            if self._supervisor is not None:  # else the next term reads what was remembered
                with suppress(ActorDeadError):
                    await self._supervisor.ask(Pause() if paused else Resume(), block=False)

    def is_paused(self, order_id: WorkOrderId) -> bool:
        """Tell whether this one order is paused, here where it is owned."""
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
            self.figures.happened("paused" if paused else "resumed", order_id=order_id)
            if self._supervisor is not None:  # else the next term reads what was remembered
                change = PauseOrder(order_id) if paused else ResumeOrder(order_id)
                with suppress(ActorDeadError):
                    await self._supervisor.ask(change, block=False)

    def statistics(self) -> Statistics:
        """Count what waits, what is at work and what was done."""
        done = (self.figures.tally.completed, self.figures.tally.failed)
        directory, jobs = self._directory, self._jobs
        if directory is None or jobs is None:
            return Statistics(0, 0, *done, 0, 0, paused=self.paused, wait_ms=0.0)
        gate = directory.gate
        outside = sum(map(len, jobs.unplaced.values()))
        return Statistics(
            gate.waiting - gate.backing_off + outside,
            max(0, gate.active - gate.delayed),
            *done,
            delayed=gate.delayed + gate.backing_off,
            live_actors=len(directory),
            paused=self.paused,
            wait_ms=gate.wait_s * 1000,
            paused_orders=tuple(sorted(directory.paused)),
        )

    def clean(self, grace_s: float) -> None:
        """Forget completed and failed updates that finished more than `grace_s` seconds ago."""
        self.figures.tally.forget(grace_s)

    def held(self, limit: int) -> tuple[int, list[Held]]:
        """Give the number of orders held by live actors, and `limit` of them, oldest first."""
        if self._directory is None:
            return 0, []
        return len(self._directory), self._directory.held(limit)


def _first_missed(outcomes: Iterable[Outcome]) -> NotApplied | None:
    return next((each for each in outcomes if isinstance(each, NotApplied)), None)


def _ask(
    ref: ActorRef[WorkOrderActor], message: UpdateQuantity
) -> LoopFuture[Updated] | WorkOrderError:
    """Put the message into the mailbox, or say why it found no room."""
    try:
        return ref.ask(message, block=False)  # type: ignore[return-value]
    except WorkOrderError as error:
        return error


class _LastWord:
    """The time that actors have after the deadline, in all, however many are asked."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: float | None = None

    def left(self) -> float:
        """Give what is left of it; it begins to run when this is first asked."""
        if self._until is None:
            self._until = time.monotonic() + _LAST_WORD_S
        return _left(self._until)


async def _answer(
    reply: LoopFuture[Updated], deadline: float, region: Region, last_word: _LastWord
) -> Updated:
    try:
        return await reply.within(_left(deadline))
    except TimeoutError:
        if reply.withdraw():
            raise StillWaiting(paused=region.paused) from None
    try:
        # Its actor has it, and may be about to say for certain that it was not applied.
        return await reply.within(last_word.left())
    except TimeoutError:
        raise OutcomeUnknown("the deadline passed while the update was being committed") from None


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
