"""Operations that go by other orders as well: one at a time for a line, or for a production order.

Whoever asks holds the lock of what the orders share from the look at the others until the
operation is settled. An order's actor takes no lock, and nobody takes a second one: there is no
circle to wait in.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from pykka import ActorDeadError

from actors.domain.messages import DescribeOrder
from actors.domain.model import Operation
from actors.errors import OutcomeUnknown, StillWaiting, WorkOrderError
from actors.orders.deadlines import seconds_left
from actors.store.port import EXCLUSIVE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any

    from pykka import ActorRef

    from actors.domain.messages import Updated, UpdateQuantity
    from actors.domain.model import Beside, Neighbours, WorkOrderId

_OF_LINES: Final = (Operation.START, Operation.RESUME)


class Orders(Protocol):
    """What is needed of the region."""

    async def apply(self, message: UpdateQuantity) -> Updated:
        """Have an operation done by its order's actor."""
        ...

    async def find(self, message: UpdateQuantity) -> ActorRef[Any]:
        """Return the actor of the operation's order."""
        ...


class SharedWith(Protocol):
    """What of the store tells of other orders, and keeps owners of other shards away."""

    async def neighbours(self, order_id: WorkOrderId) -> Neighbours | None:
        """See `actors.store.port.Store.neighbours`."""
        ...

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        """See `actors.store.port.Store.exclusive`."""
        ...


@dataclass(slots=True)
class _Lock:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class NeighbourLocks:
    """Has operations done beside which nothing else may happen on their line, or in their plan."""

    def __init__(self, orders: Orders, shared: SharedWith) -> None:
        self._orders, self._read, self._exclusive = orders, shared.neighbours, shared.exclusive
        self._locks: dict[str, _Lock] = {}
        self._held: set[asyncio.Task[None]] = set()

    def concerns(self, operation: object) -> bool:
        """Return whether an operation goes by other orders."""
        return operation in _OF_LINES or operation in (Operation.CHANGE_PLAN, Operation.SUPPLEMENT)

    async def operate(self, message: UpdateQuantity) -> Updated:
        """Have it done; raises what the order's actor answers, or `StillWaiting`."""
        found = await self._read(message.work_order_id)
        shared = _shared(message, found)
        if shared is None:
            return await self._orders.apply(message)
        answer: asyncio.Future[Updated] = asyncio.get_running_loop().create_future()
        # A task of its own: the lock is held until it is settled, however long its caller waits.
        task = asyncio.create_task(self._do(message, shared, answer))
        self._held.add(task)
        task.add_done_callback(self._held.discard)
        return await answer

    async def _do(
        self, message: UpdateQuantity, shared: str, answer: asyncio.Future[Updated]
    ) -> None:
        try:
            async with self._lock(shared, message.deadline) as until:
                beside = _beside(await self._read(message.work_order_id))
                change = replace(message.change, beside=beside)
                try:
                    done = await self._orders.apply(replace(message, change=change, deadline=until))
                    _tell(answer, done)
                except OutcomeUnknown as error:
                    _tell(answer, error)
                    if not await self._is_settled(message):
                        raise
        except BaseException as error:  # noqa: BLE001 -- the caller's, whatever it is
            _tell(answer, error)

    async def complete_with_supplements(
        self,
        message: UpdateQuantity,
        closable: Callable[[WorkOrderId], Awaitable[list[WorkOrderId]]],
    ) -> None:
        """Complete an original if it still is `closable`, while no supplement is made for it."""
        order_id = message.work_order_id
        async with self._lock(_original(order_id), message.deadline) as until:
            if order_id not in await closable(order_id):
                return
            try:
                await self._orders.apply(replace(message, deadline=until))
            except OutcomeUnknown:
                if not await self._is_settled(message):
                    raise

    async def _is_settled(self, message: UpdateQuantity) -> bool:
        """Wait until the order's actor has come to the operation's end; False where it is gone."""
        with suppress(WorkOrderError, ActorDeadError):
            ref = await self._orders.find(message)
            await ref.ask(DescribeOrder(), block=False)
            return True
        return False

    @asynccontextmanager
    async def _lock(self, name: str, deadline: float) -> AsyncIterator[float]:
        """Have it, and be told by when an operation has to begin: it ends, done or not."""
        held = self._locks.setdefault(name, _Lock())
        held.users += 1
        try:
            async with AsyncExitStack() as undo:
                try:
                    async with asyncio.timeout(seconds_left(deadline)):
                        await undo.enter_async_context(held.lock)
                        # Last: here it would be waited for by looking again and again.
                        await undo.enter_async_context(self._exclusive(name))
                except TimeoutError:
                    raise StillWaiting(paused=False) from None
                yield min(deadline, time.monotonic() + EXCLUSIVE_S / 2)
        finally:
            held.users -= 1
            if not held.users:
                del self._locks[name]


def _tell(answer: asyncio.Future[Updated], done: Updated | BaseException) -> None:
    if answer.done():
        return  # its caller has gone
    if isinstance(done, BaseException):
        answer.set_exception(done)
    else:
        answer.set_result(done)


def _shared(message: UpdateQuantity, found: Neighbours | None) -> str | None:
    """Name what an operation has to have for itself; None where the order shares nothing."""
    if found is None:
        return None
    if message.change.type is Operation.SUPPLEMENT:
        return _original(message.work_order_id)
    if message.change.type in _OF_LINES:
        return None if found.line is None else f"line {found.line}"
    return None if found.production_order is None else f"production order {found.production_order}"


def _original(order_id: WorkOrderId) -> str:
    return f"original {order_id}"


def _beside(found: Neighbours | None) -> Beside | None:
    return None if found is None else found.beside
