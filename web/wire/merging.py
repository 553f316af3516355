"""One reply's data out of those of several nodes, each of which told of its own shards."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from actors.operators.job_admin import LIVE_STATES
from actors.operators.rows import Sort
from web.wire.queries import page_fields, parse_actor_query, parse_count, parse_limit, parse_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Data: TypeAlias = dict[str, Any]
Merge: TypeAlias = "Callable[[Mapping[str, str], Sequence[Data]], Data]"
_WORST: Final = frozenset(
    ("epoch", "largestBatch", "longest", "max", "meanBatch", "oldestWaitMs", "p50", "p90", "p99")
)
"""Of these nodes can't be added up: the greatest is shown, for percentiles a bound."""

_COLUMNS: Final = ("at", "ratePerSecond", "waiting", "unlogged")
"""Of a shard's past, by the first of them in order."""
_LAST: Final = "9999"
"""Later than any moment, as JSON has them."""


def added(_query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Add numbers up, level by level; lists are put together, a switch is on where any is."""
    return _added(every)


def _added(every: Sequence[Data]) -> Data:
    names = dict.fromkeys(name for each in every for name in each)
    return {name: _one(name, [each[name] for each in every if name in each]) for name in names}


def _one(name: str, values: list[Any]) -> Any:  # noqa: ANN401 -- whatever JSON has
    first = values[0]
    if isinstance(first, dict):
        return _added(values)
    if isinstance(first, list):
        return sorted(row for each in values for row in each)
    if isinstance(first, bool):
        return any(values)
    if isinstance(first, int | float):
        return max(values) if name in _WORST else sum(values)
    return first


def joined(pages: Sequence[Data]) -> Data:
    """Return one node's pages as one, with the rows of all."""
    rows: Data = {
        name: [row for page in pages for row in page[name]]
        for name, value in pages[0].items()
        if isinstance(value, list)
    }
    return {**pages[0], **rows}


def first(_query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return what all of them say alike."""
    return every[0]


def locks(query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return the oldest locks of all."""
    rows = _rows("locks", every, lambda row: -row["age"])
    return {"total": sum(map(_total, every)), "locks": rows[: parse_limit(query)]}


def paused(query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return what is paused anywhere, the order first for which an update waits the longest."""
    everything = [each["all"] for each in every if each["all"] is not None]
    rows = _rows("orders", every, lambda row: row["oldest"] or _LAST)
    return {
        "all": _added(everything) if everything else None,
        "total": sum(map(_total, every)),
        "orders": rows[: parse_limit(query)],
        "storeRead": all(each["storeRead"] for each in every),
    }


def hot(query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return the actors that stand out among all."""
    count = parse_count(query)

    def most(name: str, value: Callable[[Data], float]) -> list[Data]:
        return _rows(name, every, lambda row: -value(row))[:count]

    return {
        "deepest": most("deepest", lambda row: row["depth"]),
        "slowest": most("slowest", lambda row: row["slowMs"]),
        "busiest": most("busiest", lambda row: row["ratePerSecond"]),
    }


def actors(query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return the page that was asked for, out of the first rows of each node."""
    asked = parse_actor_query(query)
    field = {Sort.DEPTH: "depth", Sort.OLDEST: "oldestWaitMs", Sort.RATE: "ratePerSecond"}.get(
        asked.sort, "lastActive"
    )
    rows = _rows(
        "actors", every, lambda row: (row[field], row["lastActive"]), reverse=asked.descending
    )
    return _page(query, "actors", rows, every)


def jobs(query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return the page that was asked for, by the time at which jobs were received."""
    data = _page(query, "jobs", _rows("jobs", every, lambda row: row["receivedAt"]), every)
    return {**data, "truncated": any(each["truncated"] for each in every)}


def job_counts(_query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Add up what waits or is at work; what is finished each node counts alike, as it is stored."""
    live = {state: sum(each[state] for each in every) for state in LIVE_STATES}
    return {**every[0], **live}


def found(_query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return the orders as the first node found them, live or paused where any says so."""
    rows = {row["id"]: dict(row) for row in every[0]["orders"]}
    for row in (row for each in every for row in each["orders"]):
        if row["id"] in rows:
            for name in ("live", "paused"):
                rows[row["id"]][name] |= row[name]
    return {**every[0], "orders": list(rows.values())}


def shards(_query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return each shard as its owner tells of it; as the first node does where none does."""
    rows = {row["shard"]: row for row in reversed(every[0]["shards"])}
    told = [row for each in every for row in each["shards"] if row["counts"] is not None]
    rows |= {row["shard"]: row for row in told if row["shard"] in rows}
    return {**every[0], "shards": sorted(rows.values(), key=lambda row: row["shard"])}


def shard_histories(_query: Mapping[str, str], every: Sequence[Data]) -> Data:
    """Return each shard's past as all tell of it that owned it, one after the other."""

    def past(shard: int) -> Data:
        told = [row for each in every for row in each["shards"] if row["shard"] == shard]
        rows = [zip(*(each[name] for name in _COLUMNS), strict=True) for each in told]
        moments = sorted(chain.from_iterable(rows), key=itemgetter(0))
        return {
            "shard": shard,
            **{name: [row[at] for row in moments] for at, name in enumerate(_COLUMNS)},
        }

    return {**every[0], "shards": [past(row["shard"]) for row in every[0]["shards"]]}


def _page(query: Mapping[str, str], name: str, rows: list[Data], every: Sequence[Data]) -> Data:
    page, size = parse_page(query)
    total = sum(map(_total, every))
    shown = rows[(page - 1) * size : page * size]
    return {**page_fields(total, page, size), name: shown}


def _total(data: Data) -> int:
    return int(data["total"])


def _rows(
    name: str,
    every: Iterable[Data],
    value: Callable[[Data], Any],
    *,
    reverse: bool = False,
) -> list[Data]:
    rows = [row for each in every for row in each[name]]
    return sorted(rows, key=value, reverse=reverse)


PAGED: Final = (actors, jobs)
"""Those that need all rows up to the page that is asked for."""
