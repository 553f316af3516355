"""A batch of updates: orders in parallel, one order's changes in the order in which they stand."""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from pykka import ActorDeadError

from actors.domain.messages import Queued, Updated
from actors.errors import MailboxFull, NotApplied, NotOwner, StillWaiting, WorkOrderError
from actors.orders.deadlines import LastWord, answer_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pykka import ActorRef

    from actors.domain.messages import UpdateQuantity
    from actors.domain.model import WorkOrderId
    from actors.runtime.future import LoopFuture

Answer = Updated | Queued | WorkOrderError
"""What became of one update of a batch."""


class Orders(Protocol):
    """What a batch needs of the region."""

    paused: bool

    def is_queued(self, message: UpdateQuantity) -> bool:
        """Whether the update is only stored now, and applied later."""
        ...

    async def accept(self, messages: Sequence[UpdateQuantity]) -> Sequence[Answer]:
        """Store updates of one order, all or none."""
        ...

    async def find(self, message: UpdateQuantity) -> ActorRef[Any]:
        """Return the actor of the update's order."""
        ...

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        """Have one change applied or stored."""
        ...


async def update_many(orders: Orders, messages: Sequence[UpdateQuantity]) -> list[Answer]:
    """Have many changes applied; return their answers in the order of `messages`."""
    by_order: dict[WorkOrderId, list[int]] = {}
    for index, message in enumerate(messages):
        by_order.setdefault(message.work_order_id, []).append(index)
    batch = _Batch(orders, messages)
    async with asyncio.TaskGroup() as group:
        for indexes in by_order.values():
            group.create_task(batch.run(indexes))
    return batch.answers


class _Batch:
    """The updates, and their answers as they come in. Indexes are places in the batch."""

    def __init__(self, orders: Orders, messages: Sequence[UpdateQuantity]) -> None:
        self._orders = orders
        self._messages = messages
        self.answers: list[Answer] = [NotOwner("not reached")] * len(messages)

    async def run(self, indexes: list[int]) -> None:
        """Have the changes of one order applied, one after the other."""
        missed: WorkOrderError | None = None
        for kept, group in groupby(indexes, self._is_queued):
            part = list(group)
            if missed is not None:
                self._answer(part, missed)
                continue
            await (self._accept(part) if kept else self._update(part))
            # A later change must not overtake one that was not applied.
            missed = _first_missed(self.answers[index] for index in part)
            if missed is None and self._messages[part[-1]].deadline <= time.monotonic():
                # What was unknown at its deadline had its last word; the rest is not sent.
                missed = StillWaiting(paused=self._orders.paused)

    def _is_queued(self, index: int) -> bool:
        return self._orders.is_queued(self._messages[index])

    def _answer(self, indexes: Iterable[int], answer: Answer) -> None:
        for index in indexes:
            self.answers[index] = answer

    async def _accept(self, indexes: Sequence[int]) -> None:
        try:
            kept = await self._orders.accept([self._messages[index] for index in indexes])
        except WorkOrderError as error:
            self._answer(indexes, error)
            return
        for index, each in zip(indexes, kept, strict=True):
            self.answers[index] = each

    async def _update(self, indexes: Sequence[int]) -> None:
        try:
            ref = await self._orders.find(self._messages[indexes[0]])
        except WorkOrderError as error:
            self._answer(indexes, error)
            return
        # All into the mailbox in one turn of the loop: neighbours cannot get in between.
        asked: list[tuple[int, LoopFuture[Updated]]] = []
        for position, index in enumerate(indexes):
            reply = _ask(ref, self._messages[index])
            if isinstance(reply, MailboxFull) and asked:
                # Its own items may be what fills the mailbox: a batch larger than that must get
                # through all the same, and sent again it would fill it again.
                missed = await self._collect(asked)
                asked.clear()
                reply = missed or _ask(ref, self._messages[index])
            if isinstance(reply, WorkOrderError):
                self._answer(indexes[position:], reply)
                break
            asked.append((index, reply))
        await self._collect(asked)

    async def _collect(self, asked: Sequence[tuple[int, LoopFuture[Updated]]]) -> NotApplied | None:
        """Await the replies; return the error of the first change that was not applied, if any.

        A later change must not overtake it: what no actor has seen by then shares its fate.
        """
        missed: NotApplied | None = None
        last_word = LastWord()
        for index, reply in asked:
            answer = await self._result(self._messages[index], reply, missed, last_word)
            self.answers[index] = answer
            if missed is None and isinstance(answer, NotApplied):
                missed = answer
        return missed

    async def _result(
        self,
        message: UpdateQuantity,
        reply: LoopFuture[Updated],
        missed: NotApplied | None,
        last_word: LastWord,
    ) -> Answer:
        if missed is not None and reply.withdraw():
            return missed
        try:
            return await answer_within(reply, message.deadline, self._orders, last_word)
        except ActorDeadError:
            return missed or await self._again(message)
        except WorkOrderError as error:
            return error

    async def _again(self, message: UpdateQuantity) -> Answer:
        try:
            return await self._orders.update(message)
        except WorkOrderError as error:
            return error


def _first_missed(answers: Iterable[Answer]) -> NotApplied | None:
    return next((each for each in answers if isinstance(each, NotApplied)), None)


def _ask(ref: ActorRef[Any], message: UpdateQuantity) -> LoopFuture[Updated] | WorkOrderError:
    """Put the message into the mailbox, or say why it found no room."""
    try:
        return ref.ask(message, block=False)  # type: ignore[return-value]
    except WorkOrderError as error:
        return error
