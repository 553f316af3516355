"""Query strings of statistics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from actors.store.quantities import (
    PRODUCTION_ORDER,
    Calendar,
    Dimension,
    QuantityQuery,
)
from actors.store.values import EPOCH_START
from web.wire.problems import invalid
from web.wire.queries import parse_change_type, parse_period, parse_whole
from web.wire.schemas import HEX_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo


MAX_ROWS: Final = 10_000
SOME_ROWS: Final = 1_000
MAX_GROUPS: Final = 4
PERIOD: Final = timedelta(days=31)
_FLAGS: Final = {"true": True, "false": False}
FILTERS: Final[Mapping[str, Dimension]] = {
    "workOrderId": Dimension.ORDER,
    PRODUCTION_ORDER: Dimension.PRODUCTION_ORDER,
    "productionLineId": Dimension.LINE,
    "materialId": Dimension.MATERIAL,
    "operatorId": Dimension.OPERATOR,
    "processStepId": Dimension.PROCESS,
    "barcodeOperation": Dimension.BARCODE_OPERATION,
    "isAutomatic": Dimension.AUTOMATIC,
}
"""Parameters that say which key a dimension must have."""
IDS: Final = frozenset({Dimension.ORDER, Dimension.MATERIAL, Dimension.PROCESS})


def parse_quantity_query(
    query: Mapping[str, str],
    zone: tzinfo | None,
    shifts: Sequence[int],
    now: datetime,
    period: timedelta,
) -> QuantityQuery:
    """Read the query string of statistics; blank values count as absent.

    Without a beginning it is `period` before the end, which is `now` where none is given. Raises
    `RequestError`.
    """
    since, until = parse_period(query, zone)
    # Nothing is logged later than that; what is asked for beyond it would be days without end.
    until = min(until or now, now + timedelta(days=1))
    since = max(since or max(until, EPOCH_START + period) - period, EPOCH_START)
    return QuantityQuery(
        since,
        until,
        group=_group(query),
        where=_where(query),
        change_type=parse_change_type(query),
        calendar=Calendar.of(zone, since, until, shifts),
    )


def parse_row_limit(query: Mapping[str, str]) -> int:
    """Read how many rows to show at most."""
    return parse_whole(query, "limit", SOME_ROWS, MAX_ROWS)


def _group(query: Mapping[str, str]) -> tuple[Dimension, ...]:
    named = [each.strip() for each in query.get("group", "").split(",") if each.strip()]
    group = [each for each in dict.fromkeys(named) if each in tuple(Dimension)]
    if len(group) < len(named) or len(group) > MAX_GROUPS:
        allowed = ", ".join(Dimension)
        raise invalid("INVALID_STATISTICS_QUERY", "group", allowed=allowed, limit=MAX_GROUPS)
    return tuple(map(Dimension, group))


def _where(query: Mapping[str, str]) -> dict[Dimension, str | bool]:
    where: dict[Dimension, str | bool] = {}
    for name, dimension in FILTERS.items():
        text = query.get(name, "").strip()
        if not text:
            continue
        if dimension is Dimension.AUTOMATIC:
            if text not in _FLAGS:
                raise invalid("INVALID_STATISTICS_QUERY", name, "flag")
            where[dimension] = _FLAGS[text]
        elif dimension in IDS and not HEX_ID.fullmatch(text):
            raise invalid("INVALID_STATISTICS_QUERY", name, "id")
        else:
            where[dimension] = text.lower() if dimension in IDS else text
    return where
