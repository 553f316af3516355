"""Paths' ids, query strings and headers, with the bounds that `web.wire.queries` keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.domain.model import ChangeType
from actors.operators.rows import ActorState, Sort
from actors.store.quantities import Dimension
from web.route import Parameter
from web.wire.queries import (
    FOUND,
    JOB_STATES,
    MAX_FOUND,
    MAX_LOCKS,
    MAX_MINUTES,
    MAX_PAGE,
    MAX_PAGE_SIZE,
    ORDERS,
    RANGES,
    SEARCHED_BY,
)
from web.wire.statistics import FILTERS, IDS, MAX_GROUPS, MAX_ROWS, SOME_ROWS
from web.wire.usual import MAX_REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum


def _query(
    name: str, schema: Mapping[str, object], description: str, example: object = None
) -> Parameter:
    return Parameter(name, "query", schema, description, example)


def _whole(default: int, high: int) -> dict[str, object]:
    return {"type": "integer", "minimum": 1, "maximum": high, "default": default}


def _one_of(allowed: Iterable[str | StrEnum], **more: object) -> dict[str, object]:
    return {"type": "string", "enum": [str(each) for each in allowed], **more}


def _filter(dimension: Dimension) -> Mapping[str, object]:
    if dimension is Dimension.AUTOMATIC:
        return {"type": "boolean"}
    return _HEX if dimension in IDS else {"type": "string"}


_HEX: Final = {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 100}
_ERROR_CODE: Final = {"type": "string", "pattern": "^[A-Z_]{1,64}$"}
_MOMENT: Final = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": r"^\d{4}/\d{1,2}/\d{1,2}( \d{1,2}:\d\d(:\d\d)?)?$"},
        {"type": "string", "format": "date-time"},
        # From the year 1 to 9999.
        {"type": "integer", "minimum": -62_135_596_800_000, "maximum": 253_402_300_799_999},
    ]
}
_DATE: Final = "ISO 8601, 2026/1/3 8:05, or ms since 1970; without a zone in `TIME_ZONE`"
_KEY: Final = {"type": "string", "minLength": 1, "maxLength": MAX_REQUEST_ID}

ORDER_ID: Final = Parameter(
    "id", "path", _NAME, "The order's id, or its number", "000000000000000000000001"
)
JOB_ID: Final = Parameter("id", "path", _HEX, "The job's id", "00000000000000000000000a")
HASH: Final = _query("v", {"type": "string"}, "Hash of its content, as the page has it")
PAGE: Final = (
    _query("page", _whole(1, MAX_PAGE), "Page, from 1 on; what is no such number is 1"),
    _query(
        "pageSize",
        _whole(20, MAX_PAGE_SIZE),
        "Rows of a page; what is no such number is 20",
    ),
)
LOG: Final = (
    *PAGE,
    _query("changeType", _one_of(ChangeType), "Only changes of this type"),
    _query(
        "startDate",
        _MOMENT,
        f"From then on: {_DATE}",
        "2026-11-01",
    ),
    _query("endDate", _MOMENT, "Until then; a date alone means its whole day", "2026-11-30"),
)
OPERATIONS: Final = _query(
    "operations",
    {"type": "boolean"},
    "Whether the operations that stand between the page's changes are shown too, without a filter",
)
STATISTICS: Final = (
    _query(
        "group",
        {"type": "string"},
        f"What to sum up by, with commas between, at most {MAX_GROUPS}: {', '.join(Dimension)}",
        "line,day",
    ),
    *(_query(name, _filter(each), f"Only what has this {each}") for name, each in FILTERS.items()),
    *LOG[2:],
)
ROWS: Final = _query("limit", _whole(SOME_ROWS, MAX_ROWS), "Rows at most")
JOB_FILTER: Final = (
    _query("workOrderId", _NAME, "Jobs of this order, by its id or number"),
    _query("code", _ERROR_CODE, "Jobs that failed last with this error"),
)
JOBS: Final = (
    _query("state", _one_of(JOB_STATES, default=JOB_STATES[0]), "Jobs in this state"),
    *JOB_FILTER,
    *PAGE,
)
ACTORS: Final = (
    _query("sort", _one_of(Sort, default=Sort.DEPTH.value), "What to sort by"),
    _query("order", _one_of(ORDERS, default=ORDERS[0]), "The largest, or the smallest, first"),
    _query("state", _one_of(ActorState), "Only actors in this state"),
    _query("search", {"type": "string"}, "Beginning of an order's id, or a part of its number"),
    *PAGE,
)
SEARCH: Final = (
    _query(
        "q",
        {"type": "string"},
        "Beginning of an order's number or id, or from three characters on any part of the number;"
        " blank for the newest orders",
        "DEMO-00",
    ),
    _query(
        "by",
        _one_of(SEARCHED_BY, default=SEARCHED_BY[0]),
        "What `q` is of: the number or id; or what it is: a barcode, a key, an operator's id or"
        " name",
    ),
    _query("limit", _whole(FOUND, MAX_FOUND), "How many to list"),
)
COUNT: Final = _query("n", _whole(10, MAX_PAGE_SIZE), "How many of each")
LIMIT: Final = _query("limit", _whole(1000, MAX_LOCKS), "How many to list")
REASON: Final = _query("reason", {"type": "string", "maxLength": 500}, "Why; kept with who did it")
MINUTES: Final = _query("minutes", _whole(MAX_MINUTES, MAX_MINUTES), "How far to look back")
RANGE: Final = _query(
    "range", _one_of(RANGES), "Instead: with what the store keeps, by minutes or hours, and marks"
)
UPDATE: Final = (
    Parameter(
        "Idempotency-Key",
        "header",
        _KEY,
        "Printable characters. The same key again is answered with the first outcome; where the"
        " body has a `requestId` too, they must agree",
        "line-4/2026-11-23/000017",
    ),
    Parameter(
        "Prefer",
        "header",
        {"type": "string"},
        "With `respond-async` the call is answered as soon as the change is durable, with"
        " `wait=<seconds>` by then at the latest",
        "respond-async",
    ),
)
LAST_EVENT: Final = Parameter(
    "Last-Event-ID", "header", {"type": "string"}, "Go on after this event, as browsers do"
)
LANG: Final = _query(
    "lang", {"enum": ["en", "zh"]}, "Language; without it English, of the page the browser's"
)
LANGUAGE: Final = Parameter(
    "Accept-Language", "header", {"type": "string"}, "Messages are Chinese, or English", "en"
)
