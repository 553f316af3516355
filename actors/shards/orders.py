"""The orders of several shards, those that this node owns: each call goes to its order's shard."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from actors.errors import NotOwner
from actors.orders.region import Backlog, Region, Statistics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.domain.messages import OrderLock, OrderWaits, Queued, Updated, UpdateQuantity
    from actors.domain.model import WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.orders.batch import Answer
    from actors.telemetry.telemetry import Telemetry

_Asked = TypeVar("_Asked")
_Answered = TypeVar("_Answered")


class ShardedOrders:
    """Implements `actors.engine.Orders` by a region for each shard."""

    def __init__(self, shards: ShardMap, regions: Sequence[Region], telemetry: Telemetry) -> None:
        self._shards, self._regions = shards, regions
        self._telemetry = telemetry

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        """Have one change applied, or kept, by its order's shard."""
        return await self._of(message.work_order_id).update(message)

    async def operate(self, message: UpdateQuantity) -> Updated:
        """Have an operation done by its order's shard."""
        return await self._of(message.work_order_id).operate(message)

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Answer]:
        """Have many changes applied: shards in parallel, and of each what its region says."""
        return await ask_by_shard(
            self._shards,
            messages,
            lambda message: message.work_order_id,
            lambda shard, some: self._regions[shard].update_many(some),
        )

    async def pause(self) -> None:
        """Stop the processing of all updates, durably."""
        await self._all(Region.pause)

    async def resume(self) -> None:
        """Process updates again."""
        await self._all(Region.resume)

    async def pause_order(self, order_id: WorkOrderId) -> None:
        """Stop the processing of one order, durably."""
        await self._of(order_id).pause_order(order_id)

    async def resume_order(self, order_id: WorkOrderId) -> None:
        """Process one order's updates again."""
        await self._of(order_id).resume_order(order_id)

    def is_paused(self, order_id: WorkOrderId) -> bool:
        """Return whether this order is paused alone, where it is owned here."""
        return self._of(order_id).is_paused(order_id)

    def backlog(self) -> Backlog:
        """Count over all shards that are owned here; the longest of their mean waits."""
        every = [region.backlog() for region in self._regions]
        return Backlog(
            sum(each.waiting for each in every),
            sum(each.active for each in every),
            max(each.wait_ms for each in every),
        )

    def statistics(self) -> Statistics:
        """Count over all shards that are owned here; the longest of their mean waits."""
        owned = [each for each in (r.statistics() for r in self._regions) if each.jobs is not None]
        tally = self._telemetry.tally
        return replace(summed(owned), completed=tally.completed, failed=tally.failed)

    async def waits_for(self, order_ids: Sequence[WorkOrderId]) -> list[OrderWaits]:
        """Tell of each order what waits for it, as its shard says."""
        return await ask_by_shard(
            self._shards,
            order_ids,
            lambda order_id: order_id,
            lambda shard, some: self._regions[shard].waits_for(some),
        )

    async def held(self, limit: int) -> tuple[int, list[OrderLock]]:
        """Return the number of orders held by live actors, and `limit` of them, oldest first."""
        parts = [await region.held(limit) for region in self._regions]
        rows = [lock for _, part in parts for lock in part]
        rows.sort(key=lambda lock: lock.since)
        return sum(total for total, _ in parts), rows[:limit]

    async def heed_pause(self, remembered: Callable[[], Awaitable[bool]]) -> None:
        """Pause or resume as another node had it remembered."""
        paused = await remembered()
        for region in self._regions:
            if region.jobs is not None and region.paused is not paused:
                await region.heed_pause(remembered)

    def _of(self, order_id: WorkOrderId) -> Region:
        return self._regions[self._shards.of(order_id)]

    async def _all(self, change: Callable[[Region], Awaitable[None]]) -> None:
        owned = [region for region in self._regions if region.jobs is not None]
        if not owned:
            raise NotOwner("this node owns no shard")
        await asyncio.gather(*map(change, owned))


async def ask_by_shard(
    shards: ShardMap,
    asked: Sequence[_Asked],
    order_of: Callable[[_Asked], WorkOrderId],
    ask: Callable[[int, Sequence[_Asked]], Awaitable[Sequence[_Answered]]],
) -> list[_Answered]:
    """Ask each shard at once for what is about its orders; answers in the order of `asked`."""
    by_shard: dict[int, list[int]] = {}
    for number, each in enumerate(asked):
        by_shard.setdefault(shards.of(order_of(each)), []).append(number)
    parts = await asyncio.gather(
        *(ask(shard, [asked[n] for n in numbers]) for shard, numbers in by_shard.items())
    )
    answers: dict[int, _Answered] = {}
    for numbers, part in zip(by_shard.values(), parts, strict=True):
        answers.update(zip(numbers, part, strict=True))
    return [answers[number] for number in range(len(asked))]


def summed(every: Sequence[Statistics]) -> Statistics:
    """Return the sums over shards; paused where one is, the longest of their mean waits."""
    kept = [each.jobs for each in every if each.jobs is not None]
    return Statistics(
        sum(each.waiting for each in every),
        sum(each.active for each in every),
        sum(each.completed for each in every),
        sum(each.failed for each in every),
        sum(each.delayed for each in every),
        sum(each.live_actors for each in every),
        paused=any(each.paused for each in every),
        wait_ms=max((each.wait_ms for each in every), default=0.0),
        paused_orders=tuple(sorted(order for each in every for order in each.paused_orders)),
        jobs=sum(kept) if kept else None,
    )
