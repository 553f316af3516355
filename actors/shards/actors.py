"""The live actors of several shards, as one."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING

from actors.operators.rows import ActorQuery, ActorRow, ActorView, Hot, Sort, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.domain.model import WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.engine import Actors
    from actors.telemetry.journal import Event


class ShardedActors:
    """Implements `actors.engine.Actors` by the looks at shards, those that can be looked at."""

    def __init__(self, shards: ShardMap, looks: Mapping[int, Actors]) -> None:
        self._shards, self._looks = shards, looks

    @property
    def unlogged(self) -> int:
        """Count the entries that are committed and not yet in the log."""
        return sum(look.unlogged for look in self._looks.values())

    async def summary(self) -> Summary:
        """Count actors by state, and what waits for them."""
        return merged([await look.summary() for look in self._looks.values()])

    async def page(self, query: ActorQuery) -> tuple[int, list[ActorRow]]:
        """Return how many actors fit the query, and the page of them."""
        upto = query.page * query.page_size
        first = ActorQuery(1, upto, query.sort, query.descending, query.search, query.state)
        found = [await look.page(first) for look in self._looks.values()]
        rows = [row for _, some in found for row in some]
        rows.sort(key=lambda row: _rank(query.sort, row), reverse=query.descending)
        return sum(total for total, _ in found), rows[upto - query.page_size : upto]

    async def hot(self, count: int) -> Hot:
        """Return those with the most waiting, the longest times and the most updates."""
        found = [await look.hot(count) for look in self._looks.values()]

        def most(
            rows: Callable[[Hot], list[ActorRow]], value: Callable[[ActorRow], float]
        ) -> list[ActorRow]:
            return nlargest(count, (row for each in found for row in rows(each)), key=value)

        return Hot(
            most(lambda each: each.deepest, lambda row: row.depth),
            most(lambda each: each.slowest, lambda row: row.slow_s),
            most(lambda each: each.busiest, lambda row: row.rate),
        )

    async def has(self, order_id: WorkOrderId) -> bool:
        """Return whether an order's actor is live here."""
        look = self._looks.get(self._shards.of(order_id))
        return look is not None and await look.has(order_id)

    async def numbers(self, order_ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of those orders whose actors are live here and have read them."""
        by_shard: dict[int, list[WorkOrderId]] = {}
        for order_id in order_ids:
            by_shard.setdefault(self._shards.of(order_id), []).append(order_id)
        found: dict[WorkOrderId, str] = {}
        for shard, ids in by_shard.items():
            if shard in self._looks:
                found |= await self._looks[shard].numbers(ids)
        return found

    async def one(self, order_id: WorkOrderId) -> ActorView | None:
        """Look at one order's actor; None when it is not live here."""
        look = self._looks.get(self._shards.of(order_id))
        return None if look is None else await look.one(order_id)

    async def latest(self, order_id: WorkOrderId) -> list[Event]:
        """Return what became of the order's latest updates on this node, newest first."""
        look = next(iter(self._looks.values()))  # one journal for all
        return await look.latest(order_id)


def merged(summaries: list[Summary]) -> Summary:
    """Add up what was counted in each shard."""
    states: dict[str, int] = {}
    for each in summaries:
        for state, count in each.states.items():
            states[state] = states.get(state, 0) + count
    longest = [each.longest for each in summaries if each.longest is not None]
    return Summary(
        states,
        sorted(depth for each in summaries for depth in each.depths),
        max(longest, key=lambda wait: wait.seconds, default=None),
        sum(each.outboxes for each in summaries),
        sum(each.outbox_entries for each in summaries),
    )


def _rank(sort: Sort, row: ActorRow) -> tuple[float, float]:
    """Return what a list is sorted by; those alike by when they were last active."""
    values = {Sort.DEPTH: row.depth, Sort.OLDEST: row.oldest_s, Sort.RATE: row.rate}
    return values.get(sort, 0.0), row.last_active.timestamp()
