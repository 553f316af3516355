"""Query strings: pages, filters and limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from actors.rules import ChangeType
from actors.store import LogQuery
from web.dates import parse_moment
from web.problems import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from actors.rules import WorkOrderId

MAX_PAGE: Final = 1_000_000
MAX_PAGE_SIZE: Final = 1000
MAX_LOCKS: Final = 10_000
_WHOLE: Final = re.compile(r"\d{1,9}", re.ASCII)


def parse_log_query(work_order_id: WorkOrderId, query: Mapping[str, str]) -> LogQuery:
    """Read the query string of `quantity-logs`; blank values count as absent.

    Raises `RequestError`.
    """
    return LogQuery(
        work_order_id,
        page=_whole(query, "page", 1, MAX_PAGE),
        page_size=_whole(query, "pageSize", 20, MAX_PAGE_SIZE),
        change_type=_change_type(query, "changeType"),
        since=_moment(query, "startDate"),
        until=_moment(query, "endDate", end_of_day=True),
    )


def parse_limit(query: Mapping[str, str]) -> int:
    """Read how many locks to list; raises `RequestError`."""
    return _whole(query, "limit", 1000, MAX_LOCKS)


def _whole(query: Mapping[str, str], field: str, default: int, high: int) -> int:
    text = query.get(field, "").strip()
    if not text:
        return default
    number = int(text) if _WHOLE.fullmatch(text) else 0
    if not 1 <= number <= high:
        raise invalid("INVALID_PAGE", field, low=1, high=high)
    return number


def _change_type(query: Mapping[str, str], field: str) -> str | None:
    text = query.get(field, "").strip()
    if not text:
        return None
    try:
        return ChangeType(text).value
    except ValueError:
        raise invalid("INVALID_TYPE", field) from None


def _moment(query: Mapping[str, str], field: str, *, end_of_day: bool = False) -> datetime | None:
    text = query.get(field, "").strip()
    if not text:
        return None
    try:
        return parse_moment(text, end_of_day=end_of_day)
    except ValueError:
        raise invalid("INVALID_DATE", field) from None
