"""The codes that each kind of call can fail with, and what goes with a code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from web.app_context import Language
from web.openapi.models.failures import (
    CountedScan,
    FieldAtFault,
    FixedShards,
    Full,
    JobInTheWay,
    PlanReached,
    QuantityAtFault,
    RefusedOperation,
    SizeLimit,
    UnknownJob,
    UnknownOrder,
    UnreadableOrder,
    Unserved,
    UsedKey,
)
from web.wire.problems import STATUS
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_HOP: Final = (
    "INVALID_JSON",
    "INVALID_REQUEST_ID",
    "BODY_TIMEOUT",
    "BODY_TOO_LARGE",
    "UNSUPPORTED_ENCODING",
)
_OWNER: Final = ("SERVICE_UNAVAILABLE",)
BY_NEED: Final[Mapping[str, tuple[str, ...]]] = {
    "nothing": (),
    "actors": (*_HOP, *_OWNER, "TIMEOUT"),
    "owner": (*_HOP, *_OWNER),
    "view": (*_HOP, *_OWNER),
    "nodes": (*_HOP, *_OWNER),
    "stream": ("INVALID_REQUEST_ID", *_OWNER),
}
"""A call that this node may hand to the owner: read whole first, with its key."""
BY_ACCESS: Final[Mapping[str, tuple[str, ...]]] = {
    "open": (),
    "caller": ("UNAUTHORIZED",),
    "operator": ("UNAUTHORIZED", "FORBIDDEN", "CONSOLE_READ_ONLY"),
}
"""A call for which a token may be needed."""
WRITES: Final = ("CROSS_SITE",)
"""A call that changes something."""
ALWAYS: Final = ("INVALID_HEADER", "HOST_NOT_ALLOWED", "SYSTEM_ERROR")
NOT_OF_A_ROUTE: Final = ("INVALID_REQUEST", "NOT_FOUND", "METHOD_NOT_ALLOWED")
_DATA: Final[Mapping[str, tuple[type, dict[str, object]]]] = {
    "INVALID_QUANTITY": (QuantityAtFault, {"field": "quantity"}),
    "WORK_ORDER_NOT_FOUND": (UnknownOrder, {"workOrderId": "000000000000000000000001"}),
    "DUPLICATE_OPERATION": (
        CountedScan,
        {"relatedBarcode": "SN0001", "processStepId": None, "replayed": False},
    ),
    "OPERATION_REFUSED": (
        RefusedOperation,
        {
            "workOrderId": "000000000000000000000001",
            "reason": "status",
            "operation": "start",
            "status": "IN_PROGRESS",
        },
    ),
    "OVER_PLAN": (PlanReached, {"planProductionQuantity": 100, "replayed": False}),
    "ORDER_UNREADABLE": (
        UnreadableOrder,
        {
            "workOrderId": "000000000000000000000001",
            "field": "inputQuantity",
            "value": "'1,000'",
        },
    ),
    "REQUEST_ID_CONFLICT": (UsedKey, {"requestId": "scan-17"}),
    "JOB_NOT_FOUND": (UnknownJob, {"jobId": "00000000000000000000000a"}),
    "JOB_STATE_CONFLICT": (
        JobInTheWay,
        {"jobId": "00000000000000000000000a", "state": "active"},
    ),
    "SHARDS_FIXED": (FixedShards, {"node": "factory-1"}),
    "BODY_TOO_LARGE": (SizeLimit, {"limit": 1_048_576}),
    "MAILBOX_FULL": (Full, {"scope": "mailbox", "capacity": 1000}),
    "SERVICE_UNAVAILABLE": (Unserved, {"paused": False}),
}
_WITHOUT: Final = frozenset(
    {
        "BODY_TIMEOUT",
        "HOST_NOT_ALLOWED",
        "SYSTEM_ERROR",
        "TIMEOUT",
        "UNSUPPORTED_ENCODING",
        *WRITES,
        *BY_ACCESS["operator"],
        *NOT_OF_A_ROUTE,
    }
)
_MAYBE_WITHOUT: Final = frozenset({"INVALID_JSON", "SERVICE_UNAVAILABLE"})
_FIELDS: Final = {
    "MISSING_WORK_ORDER_ID": "workOrderId",
    "INVALID_WORK_ORDER_ID": "workOrderId",
    "INVALID_TYPE": "type",
    "INVALID_OPERATION": "operation",
    "INVALID_REQUEST_ID": "requestId",
    "INVALID_UPDATES": "updates",
    "INVALID_DATE": "startDate",
    "INVALID_GRACE": "grace",
    "INVALID_JOB_ID": "id",
    "INVALID_JOB_QUERY": "state",
    "INVALID_ACTOR_QUERY": "sort",
    "INVALID_SEARCH": "by",
    "INVALID_STATISTICS_QUERY": "group",
    "INVALID_LOG_LEVEL": "level",
    "INVALID_SHARDS": "shards",
    "INVALID_HEADER": "Origin",
}
_SAMPLE: Final[Mapping[str, object]] = {
    "work_order_id": "000000000000000000000001",
    "job_id": "00000000000000000000000a",
    "barcode": "SN0001",
    "request_id": "scan-17",
    "state": "active",
    "limit": 1000,
    "allowed": "GET, HEAD",
    "encodings": "gzip, deflate",
    "method": "PUT",
    "value": "'1,000'",
    "plan": 100,
    "operation": "start",
    "status": "IN_PROGRESS",
    "node": "factory-1",
}


def data_models(codes: Iterable[str]) -> list[Any]:
    """Return the types of `data` that go with any of `codes`."""
    found: dict[Any, None] = {}
    for code in codes:
        if code in _WITHOUT or code in _MAYBE_WITHOUT:
            found[None] = None
        if code not in _WITHOUT:
            found[_DATA[code][0] if code in _DATA else FieldAtFault] = None
    return list(found)


def failure_example(code: str) -> dict[str, object]:
    """Return a whole reply of a call that failed."""
    field = _FIELDS.get(code, "quantity")
    data: object = None
    if code in _DATA:
        data = _DATA[code][1]
    elif code in _FIELDS:
        data = {"field": field}
    return {
        "success": False,
        "message": render(code, Language.CHINESE, {**_SAMPLE, "field": field}),
        "data": data,
        "code": code,
    }


def by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    """Group codes by their status, in the order of `STATUS`."""
    asked = set(codes)
    groups: dict[int, list[str]] = {}
    for code, status in STATUS.items():
        if code in asked:
            groups.setdefault(status, []).append(code)
    return groups
