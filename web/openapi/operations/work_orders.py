"""The table's part on updates, orders, the queue and its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from web.openapi import parameters
from web.openapi.failures import JSON_BODY
from web.openapi.models.jobs import ForgottenJob, Job, JobPage, Retried
from web.openapi.models.operators import Cleaned, Locks, Paused, QueueStats
from web.openapi.models.work_orders import (
    Batch,
    FoundOrders,
    LogPage,
    Order,
    OrderPaused,
    Queued,
    Updated,
)
from web.openapi.operation import JOB, ORDER, Body, Operation
from web.openapi.operations.work_order_examples import (
    COMPLETED_JOB,
    FOUND_ORDER,
    LOG_ENTRY,
    ONE_PAGE,
    RETRIED_JOB,
    STORED_ORDER,
    UNBIND,
    UPDATED,
)
from web.wire.schemas import BatchBody, CleanBody, RetryFilterBody, UpdateBody

if TYPE_CHECKING:
    from collections.abc import Mapping

_UPDATES: Final = "Updates"
_ORDERS: Final = "Orders"
_QUEUE: Final = "Queue"
_JOBS: Final = "Jobs"
_NO_ORDER: Final = ("INVALID_WORK_ORDER_ID", "WORK_ORDER_NOT_FOUND")
_NO_JOB: Final = ("INVALID_JOB_ID", "JOB_NOT_FOUND")
_LATE: Final = ("TIMEOUT",)
_UNREAD: Final = ("SERVICE_UNAVAILABLE",)

OPERATIONS: Final[Mapping[str, Operation]] = {
    "updateQuantity": Operation(
        _UPDATES,
        "Apply one change",
        Updated | Queued,
        UPDATED,
        "UPDATED",
        codes=("UPDATED", "QUEUED"),
        failures=(
            *JSON_BODY,
            "MISSING_WORK_ORDER_ID",
            *_NO_ORDER,
            "INVALID_TYPE",
            "INVALID_REQUEST_ID",
            "INVALID_WAIT",
            "DUPLICATE_OPERATION",
            "REQUEST_ID_CONFLICT",
            "MAILBOX_FULL",
        ),
        parameters=parameters.UPDATE,
        body=Body(
            UpdateBody,
            {
                "bind": {"workOrderId": ORDER, "type": "input", "requestId": "scan-17"},
                "unbind": UNBIND,
                "output": {"workOrderId": ORDER, "type": "output", "quantity": 2},
            },
        ),
    ),
    "batchUpdateQuantity": Operation(
        _UPDATES,
        "Apply many changes: a bad one fails alone",
        Batch,
        {
            "total": 1,
            "succeeded": 1,
            "failed": 0,
            "results": [{"index": 0, **UPDATED, "code": "UPDATED", "message": "工单数量更新成功"}],
        },
        "UPDATED.batch",
        codes=("UPDATED", "QUEUED", "PARTIALLY_UPDATED", "NOT_UPDATED"),
        failures=(
            *JSON_BODY,
            "INVALID_UPDATES",
            "INVALID_REQUEST_ID",
            "INVALID_WAIT",
            "MAILBOX_FULL",
        ),
        parameters=parameters.UPDATE,
        body=Body(
            BatchBody,
            {"two orders": {"updates": [UNBIND, {"workOrderId": f"{2:024}", "type": "input"}]}},
        ),
    ),
    "detail": Operation(
        _ORDERS,
        "Show an order",
        Order,
        STORED_ORDER,
        "OK.detail",
        failures=(*_NO_ORDER, *_UNREAD),
        parameters=(parameters.ORDER_ID,),
    ),
    "searchOrders": Operation(
        _ORDERS,
        "Find orders by the beginning of their number or id",
        FoundOrders,
        {"more": False, "orders": [FOUND_ORDER]},
        "OK.search",
        failures=("INVALID_PAGE", *_UNREAD),
        parameters=parameters.SEARCH,
    ),
    "quantityLogs": Operation(
        _ORDERS,
        "Show a page of an order's log, newest first",
        LogPage,
        {"success": True, **ONE_PAGE, "logs": [LOG_ENTRY]},
        "OK.logs",
        failures=(
            "INVALID_WORK_ORDER_ID",
            "INVALID_PAGE",
            "INVALID_TYPE",
            "INVALID_DATE",
            *_UNREAD,
        ),
        parameters=(parameters.ORDER_ID, *parameters.LOG),
    ),
    "queueStats": Operation(
        _QUEUE,
        "Count updates by what becomes of them",
        QueueStats,
        {
            "waiting": 4,
            "active": 2,
            "completed": 30,
            "failed": 5,
            "delayed": 1,
            "total": 7,
            "paused": False,
            "pausedOrders": [],
        },
        "OK.stats",
    ),
    "queueLocks": Operation(
        _QUEUE,
        "List the orders that live actors hold, oldest first",
        Locks,
        {
            "total": 1,
            "locks": [
                {
                    "workOrderId": ORDER,
                    "workerId": "node-1",
                    "timestamp": 1_795_500_000_000,
                    "ttl": 4200,
                    "age": 5000,
                }
            ],
        },
        "OK.locks",
        failures=("INVALID_PAGE",),
        parameters=(parameters.LIMIT,),
    ),
    "queueClean": Operation(
        _QUEUE,
        "Forget jobs and counts that finished a while ago, never what waits",
        Cleaned,
        {"grace": 5000},
        "OK.clean",
        failures=(*JSON_BODY, *_LATE),
        body=Body(CleanBody, {"all": {"grace": 0}}, required=False),
    ),
    "queuePause": Operation(
        _QUEUE,
        "Stop the processing of updates",
        Paused,
        {"paused": True},
        "OK.pause",
        failures=_LATE,
    ),
    "queueResume": Operation(
        _QUEUE, "Start it again", Paused, {"paused": False}, "OK.resume", failures=_LATE
    ),
    "queueJobs": Operation(
        _JOBS,
        "List the jobs in one state",
        JobPage,
        {**ONE_PAGE, "jobs": [COMPLETED_JOB]},
        "OK.jobs",
        failures=("INVALID_JOB_QUERY", "INVALID_WORK_ORDER_ID", "INVALID_PAGE", *_LATE),
        parameters=parameters.JOBS,
    ),
    "queueJob": Operation(
        _JOBS,
        "Show a job",
        Job,
        COMPLETED_JOB,
        "OK.job",
        failures=(*_NO_JOB, *_LATE),
        parameters=(parameters.JOB_ID,),
    ),
    "retryJob": Operation(
        _JOBS,
        "Let a failed job wait again, behind all that waits",
        Job,
        RETRIED_JOB,
        "OK.retry",
        failures=(*_NO_JOB, "JOB_STATE_CONFLICT", "MAILBOX_FULL", *_LATE),
        parameters=(parameters.JOB_ID,),
    ),
    "removeJob": Operation(
        _JOBS,
        "Forget a finished job, or take back one that waits",
        ForgottenJob,
        {"jobId": JOB},
        "OK.remove",
        failures=(*_NO_JOB, "JOB_STATE_CONFLICT", *_LATE),
        parameters=(parameters.JOB_ID,),
    ),
    "retryFailed": Operation(
        _JOBS,
        "Let all failed jobs wait again, or those of one order or error",
        Retried,
        {"retried": 2},
        "OK.retry_failed",
        failures=(
            *JSON_BODY,
            "INVALID_WORK_ORDER_ID",
            "INVALID_JOB_QUERY",
            "MAILBOX_FULL",
            *_LATE,
        ),
        body=Body(
            RetryFilterBody,
            {"of one order": {"workOrderId": ORDER}, "dead letters": {"code": "DEAD_LETTER"}},
            required=False,
        ),
    ),
    "pauseOrder": Operation(
        _ORDERS,
        "Stop the processing of one order",
        OrderPaused,
        {"workOrderId": ORDER, "paused": True},
        "OK.pause",
        failures=(*_NO_ORDER, *_LATE),
        parameters=(parameters.ORDER_ID,),
    ),
    "resumeOrder": Operation(
        _ORDERS,
        "Start it again",
        OrderPaused,
        {"workOrderId": ORDER, "paused": False},
        "OK.resume",
        failures=("INVALID_WORK_ORDER_ID", *_LATE),
        parameters=(parameters.ORDER_ID,),
    ),
}
