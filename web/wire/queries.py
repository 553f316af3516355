"""Query strings: pages, filters and limits.

A page or a limit that is no number from 1 on is the default, and one that is too large the largest:
callers know it so. A filter that can't be read is refused, as without it too much would be shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.domain.job import JobState
from actors.domain.model import ChangeType
from actors.operators.job_admin import LIVE_STATES
from actors.operators.rows import ActorQuery, ActorState, Sort
from actors.store import LogQuery
from actors.store.port import Trait
from web.wire.dates import parse_moment
from web.wire.problems import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from actors.domain.model import WorkOrderId

MAX_PAGE: Final = 1_000_000
MAX_PAGE_SIZE: Final = 1000
MAX_PAGE_BYTES: Final = 4 * 2**20
"""Of the entries of a page; one with more ends early. Thirty of the largest entries that a caller
can make are less."""
MAX_LOCKS: Final = 10_000
MAX_MINUTES: Final = 60
_DAY: Final = 24 * 60
RANGES: Final = {"5m": 5, "15m": 15, "1h": 60, "24h": _DAY, "7d": 7 * _DAY, "30d": 30 * _DAY}
"""In minutes."""
FOUND: Final = 20
MAX_FOUND: Final = 100
_MAX_SEARCH: Final = 100
_MAX_REASON: Final = 500
ORDERS: Final = ("desc", "asc")
SEARCHED_BY: Final = ("number", *(str(each) for each in Trait if each is not Trait.PART))
JOB_STATES: Final = (*LIVE_STATES, JobState.COMPLETED.value, JobState.FAILED.value)
_ERROR_CODE: Final = re.compile(r"[A-Z_]{1,64}")
_WHOLE: Final = re.compile(r"0*+([1-9]\d*+)", re.ASCII)
_DIGITS: Final = 10
"""More than any number that is asked for may have."""


def parse_log_query(
    work_order_id: WorkOrderId, query: Mapping[str, str], zone: tzinfo | None
) -> LogQuery:
    """Read the query string of `quantity-logs`; blank values count as absent.

    Dates that name no zone are in `zone`, the machine's own where there is none.
    Raises `RequestError`.
    """
    change_type = parse_change_type(query)
    since, until = parse_period(query, zone)
    page, page_size = parse_page(query)
    return LogQuery(
        work_order_id,
        page=page,
        page_size=page_size,
        change_type=change_type,
        since=since,
        until=until,
        max_bytes=MAX_PAGE_BYTES,
    )


def wants_operations(query: Mapping[str, str]) -> bool:
    """Return whether the operations between the counts are asked for."""
    return query.get("operations", "").strip().lower() in ("1", "true")


class JobPageQuery(NamedTuple):
    """Which page of which jobs is asked for."""

    state: str
    order: str | None
    """An id or a number."""
    code: str | None
    page: int
    page_size: int


def parse_job_query(query: Mapping[str, str]) -> JobPageQuery:
    """Read the query string of `queue/jobs`; blank values count as absent.

    Raises `RequestError`.
    """
    state = query.get("state", "").strip() or JOB_STATES[0]
    if state not in JOB_STATES:
        raise invalid("INVALID_JOB_QUERY", "state", allowed=", ".join(JOB_STATES))
    return JobPageQuery(
        state,
        *parse_job_filter(query),
        *parse_page(query),
    )


def parse_job_filter(query: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Read whose jobs are meant, by an order's id or number, and with which error.

    Raises `RequestError`.
    """
    return query.get("workOrderId", "").strip() or None, _error_code(query, "code")


def page_fields(total: int, page: int, page_size: int) -> dict[str, int]:
    """Return what a reply says of a page, with `total` entries on all of them."""
    pages = -(-total // page_size)
    return {"total": total, "page": page, "pageSize": page_size, "totalPages": pages}


def bounded_page_fields(total: int, page: int, page_size: int, shown: int) -> dict[str, int]:
    """Return the same of a page that shows `shown` entries, and whether it ends early."""
    truncated = shown < min(page_size, total - (page - 1) * page_size)
    return {**page_fields(total, page, page_size), "truncated": truncated}


def parse_actor_query(query: Mapping[str, str]) -> ActorQuery:
    """Read the query string of `/api/actors`; blank values count as absent.

    Raises `RequestError`.
    """
    state = query.get("state", "").strip()
    return ActorQuery(
        *parse_page(query),
        Sort(_choice(query, "sort", tuple(Sort))),
        descending=_choice(query, "order", ORDERS) == "desc",
        search=query.get("search", "").strip()[:_MAX_SEARCH],
        state=ActorState(_choice(query, "state", tuple(ActorState))) if state else None,
    )


def parse_page(query: Mapping[str, str]) -> tuple[int, int]:
    """Read which page is asked for, and how many rows are on one."""
    page = parse_whole(query, "page", 1, MAX_PAGE)
    return page, parse_whole(query, "pageSize", 20, MAX_PAGE_SIZE)


def parse_count(query: Mapping[str, str]) -> int:
    """Read how many of each kind to show."""
    return parse_whole(query, "n", 10, MAX_PAGE_SIZE)


def parse_minutes(query: Mapping[str, str]) -> int:
    """Read over how many minutes to look back."""
    return parse_whole(query, "minutes", MAX_MINUTES, MAX_MINUTES)


def parse_range(query: Mapping[str, str]) -> int | None:
    """Read over how many minutes to look back, by the name of a range; None where none is named.

    Raises `RequestError`.
    """
    text = query.get("range", "").strip()
    if text and text not in RANGES:
        raise invalid("INVALID_ACTOR_QUERY", "range", allowed=", ".join(RANGES))
    return RANGES.get(text)


def _choice(query: Mapping[str, str], field: str, allowed: tuple[str, ...]) -> str:
    """Return one of `allowed`; the first where none is asked for."""
    text = query.get(field, "").strip() or allowed[0]
    if text not in allowed:
        raise invalid("INVALID_ACTOR_QUERY", field, allowed=", ".join(allowed))
    return text


def parse_reason(query: Mapping[str, str]) -> str | None:
    """Read why an operator does something, in at most 500 characters; None where it is not said."""
    return query.get("reason", "").strip()[:_MAX_REASON] or None


class SearchQuery(NamedTuple):
    """What orders to find: by a trait, or else by id and number; at most `limit`."""

    text: str
    trait: Trait | None
    limit: int


def parse_search(query: Mapping[str, str]) -> SearchQuery:
    """Read the query string of `search`; raises `RequestError`."""
    by = query.get("by", "").strip() or SEARCHED_BY[0]
    if by not in SEARCHED_BY:
        raise invalid("INVALID_SEARCH", "by", allowed=", ".join(SEARCHED_BY))
    return SearchQuery(
        query.get("q", "").strip()[:_MAX_SEARCH],
        None if by == SEARCHED_BY[0] else Trait(by),
        parse_whole(query, "limit", FOUND, MAX_FOUND),
    )


def parse_limit(query: Mapping[str, str]) -> int:
    """Read how many to list."""
    return parse_whole(query, "limit", 1000, MAX_LOCKS)


def parse_whole(query: Mapping[str, str], field: str, default: int, high: int) -> int:
    """Read a number from 1 to `high`; what is no number from 1 on is the default."""
    digits = _WHOLE.fullmatch(query.get(field, "").strip())
    number = int(digits[1][:_DIGITS]) if digits else 0
    return min(number, high) if number else default


def _error_code(query: Mapping[str, str], field: str) -> str | None:
    text = query.get(field, "").strip()
    if text and not _ERROR_CODE.fullmatch(text):
        raise invalid("INVALID_JOB_QUERY", field, "code")
    return text or None


def parse_period(
    query: Mapping[str, str], zone: tzinfo | None
) -> tuple[datetime | None, datetime | None]:
    """Read `startDate` and `endDate`, both inclusive; raises `RequestError`."""
    return _moment(query, "startDate", zone), _moment(query, "endDate", zone, end_of_day=True)


def parse_change_type(query: Mapping[str, str]) -> str | None:
    """Read which of the quantities is meant; raises `RequestError`."""
    text = query.get("changeType", "").strip()
    if not text:
        return None
    try:
        return ChangeType(text).value
    except ValueError:
        raise invalid("INVALID_TYPE", "changeType") from None


def _moment(
    query: Mapping[str, str], field: str, zone: tzinfo | None, *, end_of_day: bool = False
) -> datetime | None:
    text = query.get(field, "").strip()
    if not text:
        return None
    try:
        return parse_moment(text, zone, end_of_day=end_of_day)
    except ValueError:
        raise invalid("INVALID_DATE", field) from None
