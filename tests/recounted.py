"""Statistics counted once more, entry by entry: what the databases' answers are held against."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.domain.rules import add
from actors.store.quantities import (
    FIELDS,
    TIMES,
    Dimension,
    QuantityQuery,
    QuantityRow,
    Sums,
)
from actors.store.values import number_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecountedStatistics:
    """Implements `actors.store.quantities.Statistics` over entries as documents, ids as text."""

    entries: Callable[[], Iterable[Document]]

    async def quantities(self, query: QuantityQuery) -> AsyncIterator[Sequence[QuantityRow]]:
        """Give all rows at once."""
        yield recounted(self.entries(), {}, query)

    async def roll_up(self, zone: tzinfo | None, shifts: tuple[int, ...], now: datetime) -> bool:  # noqa: ARG002 -- the port's
        """Roll up nothing."""
        return False

    async def recheck(self) -> int:
        """Find nothing to be rolled up anew."""
        return 0

    async def rebuild(self) -> None:
        """Do nothing: all is recounted each time."""


def recounted(
    entries: Iterable[Document], production_orders: Mapping[str, str], query: QuantityQuery
) -> list[QuantityRow]:
    """Sum up `entries`; `production_orders` are those of orders, by id."""
    groups: defaultdict[tuple[Any, ...], list[Document]] = defaultdict(list)
    for entry in entries:
        if _fits(entry, production_orders, query):
            keys = tuple(_key(each, entry, production_orders, query) for each in query.group)
            groups[keys].append(entry)
    if not query.group and not groups:
        groups[()] = []
    ordered = sorted(groups, key=lambda keys: [(key is not None, key) for key in keys])
    return [_row(query, keys, groups[keys]) for keys in ordered][: query.limit]


def _fits(entry: Document, production_orders: Mapping[str, str], query: QuantityQuery) -> bool:
    return (
        query.since <= entry["operateTime"] <= query.until
        and entry["changeType"] in ("input", "output")
        and query.change_type in (None, entry["changeType"])
        and all(
            _key(each, entry, production_orders, query) == wanted
            for each, wanted in query.where.items()
        )
    )


def _key(
    dimension: Dimension,
    entry: Document,
    production_orders: Mapping[str, str],
    query: QuantityQuery,
) -> Any:  # noqa: ANN401
    if dimension in TIMES:
        return query.calendar.bucket(dimension, entry["operateTime"])
    if dimension is Dimension.AUTOMATIC:
        return entry.get("isAutomatic") is not False
    if dimension is Dimension.PRODUCTION_ORDER:
        return production_orders.get(entry["workOrderId"])
    name, _, default = FIELDS[dimension]
    value = entry.get(name)
    return default if value is None else value


def _row(query: QuantityQuery, keys: tuple[Any, ...], entries: list[Document]) -> QuantityRow:
    made = [
        each["operateTime"]
        for each in entries
        if each["changeType"] == "output" and _quantity(each) > 0
    ]
    return QuantityRow(
        keys,
        tuple(_name(each, entries) for each in query.group),
        _sums(entries, "input"),
        _sums(entries, "output"),
        min(made, default=None),
        max(made, default=None),
    )


def _name(dimension: Dimension, entries: list[Document]) -> str | None:
    field = FIELDS[dimension].name if dimension in FIELDS else None
    names = [each.get(field) for each in entries] if field else []
    return max((name for name in names if name is not None), default=None)


def _sums(entries: list[Document], kind: str) -> Sums:
    changes = [_quantity(each) for each in entries if each["changeType"] == kind]
    ups, downs = [each for each in changes if each > 0], [-each for each in changes if each < 0]
    return Sums(_total(ups), _total(downs), len(ups), len(downs))


def _total(numbers: list[int | float]) -> int | float:
    result: int | float = 0
    for each in numbers:
        result = add(result, each)
    return result


def _quantity(entry: Document) -> int | float:
    return number_from(entry.get("changeQuantity")) or 0
