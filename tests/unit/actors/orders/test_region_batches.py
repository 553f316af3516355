"""The items of one order in a batch: whatever happens to one, no later one overtakes it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pykka import ActorDeadError

from actors.domain.messages import Queued, Updated, UpdateQuantity
from actors.domain.model import Change, ChangeType, Epoch, LogContext, WorkOrderId, new_job_id
from actors.errors import MailboxFull, NotApplied, StillWaiting, TooManyActors, WorkOrderError
from actors.orders.region import Region
from actors.runtime.actor import AsyncioActor
from actors.runtime.future import LoopFuture
from actors.runtime.mailbox import Gate
from actors.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ORDER = WorkOrderId("6560a0000000000000000001")
Reply = LoopFuture[Any]


class Echo(AsyncioActor):
    """Stands for an order's actor: counts what it handles in the message's answer."""

    in_registry = False

    def __init__(self) -> None:
        super().__init__()
        self.handled: list[int | float] = []

    def on_receive(self, message: UpdateQuantity) -> Updated:
        self.handled.append(message.change.quantity)
        return _updated(message, len(self.handled))


class ScriptedRegion(Region):
    """Finds one actor, through `ask`; what is sent on afterwards goes to `again`."""

    def __init__(
        self,
        ask: Callable[[UpdateQuantity], Reply],
        again: Callable[[UpdateQuantity], Updated] | None = None,
    ) -> None:
        super().__init__(Telemetry(), _remember)
        self._ask_by, self._again_by = ask, again

    def ask(self, message: UpdateQuantity, *, block: bool) -> Reply:
        assert not block
        return self._ask_by(message)

    async def find(self, message: UpdateQuantity) -> Any:  # noqa: ANN401, ARG002
        return self

    async def update(self, message: UpdateQuantity) -> Updated:
        assert self._again_by is not None
        return self._again_by(message)


async def _remember(_epoch: Epoch, _paused: bool) -> None: ...  # noqa: FBT001


def _messages(count: int, within_s: float = 5.0) -> list[UpdateQuantity]:
    deadline = time.monotonic() + within_s
    return [
        UpdateQuantity(
            ORDER, Change(new_job_id(), ChangeType.INPUT, number, LogContext()), deadline
        )
        for number in range(count)
    ]


def _updated(message: UpdateQuantity, seq: int) -> Updated:
    return Updated(message.change, ORDER, seq, 1, 1, 0, 1, None, None, 0, 0)


def _kinds(results: Sequence[Updated | Queued | WorkOrderError]) -> list[type]:
    return [type(result) for result in results]


async def test_when_one_finds_no_room_any_more_those_after_it_are_not_tried() -> None:
    tried: list[int | float] = []

    def again(message: UpdateQuantity) -> Updated:
        tried.append(message.change.quantity)
        if len(tried) == 2:
            raise TooManyActors("all of them are busy")
        return _updated(message, len(tried))

    region = ScriptedRegion(lambda _: _dead(), again)
    results = await region.update_many(_messages(4))

    assert _kinds(results) == [Updated, TooManyActors, TooManyActors, TooManyActors]
    assert tried == [0, 1]


async def test_when_the_deadline_takes_one_back_those_behind_it_come_back_too() -> None:
    actor = Echo()
    actor.actor_inbox.gate = Gate()
    actor.actor_inbox.gate.open = False
    region = ScriptedRegion(lambda message: actor.actor_ref.ask(message, block=False))  # type: ignore[arg-type,return-value]

    results = await region.update_many(_messages(3, within_s=0.02))
    actor.actor_inbox.gate.open = True

    assert _kinds(results) == [StillWaiting] * 3
    assert actor.actor_inbox.empty()
    assert actor.handled == []


async def test_a_batch_larger_than_the_mailbox_goes_through_it_in_parts() -> None:
    actor = Echo()
    actor.actor_inbox.capacity = 2
    region = ScriptedRegion(lambda message: actor.actor_ref.ask(message, block=False))  # type: ignore[arg-type,return-value]

    results = await region.update_many(_messages(7))

    assert _kinds(results) == [Updated] * 7
    assert actor.handled == [0, 1, 2, 3, 4, 5, 6]


async def test_a_mailbox_that_others_fill_refuses_the_rest_of_a_batch() -> None:
    def full_after_two(message: UpdateQuantity) -> Reply:
        if message.change.quantity >= 2:
            raise MailboxFull("mailbox", 2)
        reply: Reply = LoopFuture()
        reply.set(_updated(message, 1))
        return reply

    results = await ScriptedRegion(full_after_two).update_many(_messages(4))

    assert _kinds(results) == [Updated, Updated, MailboxFull, MailboxFull]
    assert all(isinstance(result, Updated | NotApplied) for result in results)


def _dead() -> Reply:
    reply: Reply = LoopFuture()
    reply.set_error(ActorDeadError("retired a moment ago"))
    return reply
