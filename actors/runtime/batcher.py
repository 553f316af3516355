"""Group commit in general: single requests become batches, a few batches in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from actors.errors import NotOwner, WorkOrderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.runtime.delivery import Delivery

T = TypeVar("T")


@dataclass(slots=True)
class BatcherStats:
    """What the lanes that share it did since it was made, and have under way together."""

    batches: int = 0
    items: int = 0
    largest: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class _Item(Generic[T]):
    payload: T
    delivery: Delivery | None
    weight: int


@dataclass(slots=True)
class Batcher(Generic[T]):
    """A queue in front of a batch operation.

    A batch starts as soon as fewer than `max_in_flight` are under way, with all that waits up
    to `max_weight`: nothing waits for a timer, and the slower the store the larger the batch.
    Lanes that share their `stats` have so many under way together, and each of them one in any
    case: the batches of many shards in one process are not many small ones.

    `run` gives one result per item, in order; a result that is an exception fails its item
    alone, an exception raised fails the whole batch. A result that is a task is answered when it
    is done, and its batch no longer counts as under way: what takes long holds up nobody else.
    With `apart`, for work that may be done twice, a batch that raises what no store answers is
    run again in parts, so that one item that nobody can handle (a document that others spoilt)
    fails alone.
    """

    run: Callable[[list[T]], Awaitable[Sequence[object]]]
    max_weight: int
    max_in_flight: int
    apart: bool = False
    stats: BatcherStats = field(default_factory=BatcherStats)
    _waiting: deque[_Item[T]] = field(default_factory=deque)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _later: set[asyncio.Task[object]] = field(default_factory=set)
    _closed: bool = False
    _scheduled: bool = False

    def submit(self, payload: T, delivery: Delivery | None, weight: int = 1) -> None:
        """Add one request; its result goes to `delivery`."""
        if self._closed:
            if delivery is not None:
                delivery.fail(NotOwner("this node gave the actors up"))
            return
        self._waiting.append(_Item(payload, delivery, weight))
        if not self._scheduled:
            # One turn of the loop later: what arrives in the same turn shares the batch.
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._waiting and not self._tasks and not self._later

    @property
    def in_flight(self) -> int:
        """Batches under way, and requests that are settled by themselves."""
        return len(self._tasks) + len(self._later)

    def close(self) -> None:
        """Start no further batch; what waits fails with `NotOwner`, what is under way settles."""
        self._closed = True
        while self._waiting:
            item = self._waiting.popleft()
            if item.delivery is not None:
                item.delivery.fail(NotOwner("this node gave the actors up"))

    async def settled(self) -> None:
        """Return when nothing is under way."""
        while self._tasks or self._later:
            await asyncio.wait({*self._tasks, *self._later})

    def _pump(self) -> None:
        self._scheduled = False
        while self._waiting and (not self._tasks or self.stats.in_flight < self.max_in_flight):
            self.stats.in_flight += 1
            task = asyncio.get_running_loop().create_task(self._run(self._next_batch()))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _next_batch(self) -> list[_Item[T]]:
        batch = [self._waiting.popleft()]
        weight = batch[0].weight
        while self._waiting and weight + self._waiting[0].weight <= self.max_weight:
            item = self._waiting.popleft()
            weight += item.weight
            batch.append(item)
        self.stats.batches += 1
        self.stats.items += len(batch)
        self.stats.largest = max(self.stats.largest, len(batch))
        return batch

    async def _run(self, batch: list[_Item[T]]) -> None:
        results = await self._results([item.payload for item in batch])
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, asyncio.Task):
                self._later.add(result)
                result.add_done_callback(partial(self._answer_later, item.delivery))
            elif item.delivery is not None:
                _answer(item.delivery, result)

    def _answer_later(self, delivery: Delivery | None, task: asyncio.Task[object]) -> None:
        self._later.discard(task)
        if task.cancelled():
            result: object = RuntimeError("the request's task was cancelled")
        else:
            result = task.exception() or task.result()
        if delivery is not None:
            _answer(delivery, result)

    async def _results(self, payloads: list[T]) -> Sequence[object]:
        try:
            results = await self.run(payloads)
            if len(results) != len(payloads):
                raise RuntimeError(f"{len(results)} results for {len(payloads)} requests")  # noqa: TRY301
        except BaseException as error:  # noqa: BLE001 -- nobody may be left without an answer
            failure = error if isinstance(error, Exception) else RuntimeError(repr(error))
            whole = failure is not error or isinstance(error, WorkOrderError)
            if whole or not self.apart or len(payloads) == 1:
                return [failure] * len(payloads)
        else:
            return results
        half = len(payloads) // 2
        return [*await self._results(payloads[:half]), *await self._results(payloads[half:])]

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.stats.in_flight -= 1
        self._pump()


def _answer(delivery: Delivery, result: object) -> None:
    if isinstance(result, BaseException):
        delivery.fail(result)
    else:
        delivery.reply(result)
