"""One answer of several: what shards say of themselves, put together as if they were one."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import replace
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from actors.operators.job_admin import size_of
from actors.operators.rows import Hot, Sort, Summary
from actors.orders.region import Statistics
from actors.store.pages import within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.domain.job import Job
    from actors.domain.messages import OrderLock
    from actors.operators.rows import ActorQuery, ActorRow

_depth: Final = attrgetter("depth")
_rate: Final = attrgetter("rate")
_SORTED_BY: Final[Mapping[Sort, Callable[[ActorRow], Any]]] = {
    Sort.DEPTH: _depth,
    Sort.OLDEST: attrgetter("oldest_s"),
    Sort.RATE: _rate,
    Sort.ACTIVE: attrgetter("last_active"),
}


def merged_statistics(parts: Sequence[Statistics]) -> Statistics:
    """Return the sums; of the waits the longest, and paused where one is."""
    return Statistics(
        sum(each.waiting for each in parts),
        sum(each.active for each in parts),
        sum(each.completed for each in parts),
        sum(each.failed for each in parts),
        sum(each.delayed for each in parts),
        sum(each.live_actors for each in parts),
        paused=any(each.paused for each in parts),
        wait_ms=max((each.wait_ms for each in parts), default=0.0),
        paused_orders=tuple(heapq.merge(*(each.paused_orders for each in parts))),
    )


def first_of(query: ActorQuery) -> ActorQuery:
    """Return what each part must be asked, so that the page can be cut out of their answers."""
    return replace(query, page=1, page_size=query.page * query.page_size)


def merged_rows(
    query: ActorQuery, parts: Sequence[tuple[int, list[ActorRow]]]
) -> tuple[int, list[ActorRow]]:
    """Return the total and the page of `query`, of parts that were asked `first_of` it."""
    rows = heapq.merge(
        *(rows for _, rows in parts), key=_SORTED_BY[query.sort], reverse=query.descending
    )
    start = (query.page - 1) * query.page_size
    return sum(total for total, _ in parts), list(islice(rows, start, start + query.page_size))


def merged_summary(parts: Sequence[Summary]) -> Summary:
    """Return the sums, and of what is longest the longest."""
    states: Counter[str] = Counter()
    for each in parts:
        states.update(each.states)
    longest = [each.longest for each in parts if each.longest is not None]
    return Summary(
        dict(states),
        tuple(heapq.merge(*(each.depths for each in parts))),
        max((each.oldest_s for each in parts), default=0.0),
        max(longest, key=attrgetter("seconds"), default=None),
        sum(each.outboxes for each in parts),
        sum(each.outbox_entries for each in parts),
    )


def merged_hot(parts: Sequence[Hot], count: int) -> Hot:
    """Return those that stand out among those that do in their parts."""
    return Hot(
        heapq.nlargest(count, (row for each in parts for row in each.deepest), _depth),
        heapq.nlargest(count, (row for each in parts for row in each.slowest), _longest_s),
        heapq.nlargest(count, (row for each in parts for row in each.busiest), _rate),
    )


def _longest_s(row: ActorRow) -> float:
    """Return the longer of what it waits now and what it took lately."""
    return max(row.oldest_s, row.took_s)


def merged_locks(
    parts: Sequence[tuple[int, list[OrderLock]]], limit: int
) -> tuple[int, list[OrderLock]]:
    """Return the total and the oldest."""
    locks = heapq.merge(*(locks for _, locks in parts), key=attrgetter("since"))
    return sum(total for total, _ in parts), list(islice(locks, limit))


def merged_jobs(
    parts: Sequence[tuple[int, list[tuple[Job, str]]]],
    page: int,
    page_size: int,
    max_bytes: int | None = None,
) -> tuple[int, list[tuple[Job, str]]]:
    """Return the total and one page, by arrival: places of two parts do not compare."""
    jobs = heapq.merge(*(jobs for _, jobs in parts), key=lambda found: found[0].received_at)
    start = (page - 1) * page_size
    some = within(islice(jobs, start, start + page_size), max_bytes, lambda job: size_of(job[0]))
    return sum(total for total, _ in parts), list(some)
