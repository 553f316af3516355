"""Every way a request can fail, and the one table that turns errors into answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from actors.domain.messages import Updated
from actors.errors import (
    DuplicateOperation,
    Fenced,
    JobNotFound,
    JobStateConflict,
    LeaseSpoilt,
    LeaseUnavailable,
    MailboxFull,
    NotApplied,
    NotOwner,
    OperationRefused,
    OrderUnreadable,
    OutcomeUnknown,
    OverPlan,
    PoisonMessage,
    QuantityOutOfRange,
    RequestIdConflict,
    ShardsFixed,
    StillWaiting,
    StoreRejected,
    StoreUnavailable,
    TooManyActors,
    WorkOrderError,
    WorkOrderNotFound,
)
from web.wire.results import result_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATUS: Final[Mapping[str, int]] = {
    "INVALID_REQUEST": 400,
    "INVALID_HEADER": 400,
    "INVALID_JSON": 400,
    "MISSING_WORK_ORDER_ID": 400,
    "INVALID_WORK_ORDER_ID": 400,
    "INVALID_SEARCH": 400,
    "INVALID_TYPE": 400,
    "INVALID_QUANTITY": 400,
    "INVALID_OPERATION": 400,
    "INVALID_REQUEST_ID": 400,
    "INVALID_UPDATES": 400,
    "MISSING_PARAMS": 400,
    "INVALID_DATE": 400,
    "INVALID_GRACE": 400,
    "INVALID_LOG_LEVEL": 400,
    "INVALID_SHARDS": 400,
    "INVALID_JOB_ID": 400,
    "INVALID_JOB_QUERY": 400,
    "INVALID_ACTOR_QUERY": 400,
    "INVALID_STATISTICS_QUERY": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "CROSS_SITE": 403,
    "CONSOLE_READ_ONLY": 403,
    "NOT_FOUND": 404,
    "WORK_ORDER_NOT_FOUND": 404,
    "JOB_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "BODY_TIMEOUT": 408,
    "DUPLICATE_OPERATION": 409,
    "OVER_PLAN": 409,
    "OPERATION_REFUSED": 409,
    "ORDER_UNREADABLE": 409,
    "JOB_STATE_CONFLICT": 409,
    "SHARDS_FIXED": 409,
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_ENCODING": 415,
    "HOST_NOT_ALLOWED": 421,
    "REQUEST_ID_CONFLICT": 422,
    "MAILBOX_FULL": 429,
    "SYSTEM_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
    "TIMEOUT": 504,
}
"""The status of every error code."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request, or one item of a batch, failed."""

    code: str
    text: str
    """Name of the message in `web.wire.texts`."""
    params: Mapping[str, object] = field(default_factory=dict)
    data: Mapping[str, object] | None = None
    retry_after_s: int | None = None
    """Set means: not applied, may be sent again after that many seconds."""
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False
    """Whether the connection must not be used again."""

    @property
    def status(self) -> int:
        """Return the HTTP status that the code stands for."""
        return STATUS[self.code]


class RequestError(Exception):
    """The request can't be served for a reason that the web layer found."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def invalid(code: str, field: str, variant: str = "", **params: object) -> RequestError:
    """Make the error of a 400 that names the field at fault."""
    text = f"{code}.{variant}" if variant else code
    return RequestError(Problem(code, text, {"field": field, **params}, {"field": field}))


_Described = tuple[str, dict[str, object], dict[str, object]]
"""Name of the text, its parameters, and the reply's data."""


def _not_found(error: WorkOrderNotFound) -> _Described:
    return (
        error.code,
        {"work_order_id": error.work_order_id},
        {"workOrderId": error.work_order_id},
    )


def _duplicate(error: DuplicateOperation) -> _Described:
    data = {
        "relatedBarcode": error.barcode,
        "processStepId": error.process_step_id,
        "replayed": error.replayed,
    }
    text = f"{error.code}.output" if error.output else error.code
    return text, {"barcode": error.barcode}, data


def _over_plan(error: OverPlan) -> _Described:
    data: dict[str, object] = {
        "planProductionQuantity": error.plan,
        "replayed": error.replayed,
    }
    return error.code, {"plan": error.plan}, data


def _operation_refused(error: OperationRefused) -> _Described:
    params: dict[str, object] = {"operation": error.operation, "status": error.status}
    data = {"workOrderId": error.work_order_id, "reason": error.reason, **params}
    text = error.code if error.reason == "status" else f"{error.code}.{error.reason}"
    return text, params, data


def _out_of_range(error: QuantityOutOfRange) -> _Described:
    data = {
        "field": "quantity",
        "result": error.result,
        "limit": error.limit,
        "replayed": error.replayed,
    }
    return "INVALID_QUANTITY.range", {"limit": error.limit}, data


def _unreadable(error: OrderUnreadable) -> _Described:
    shown: dict[str, object] = {"field": error.field, "value": error.value}
    return error.code, shown, {"workOrderId": error.work_order_id, **shown}


def _conflict(error: RequestIdConflict) -> _Described:
    return error.code, {"request_id": error.request_id}, {"requestId": error.request_id}


def _no_job(error: JobNotFound) -> _Described:
    return error.code, {"job_id": error.job_id}, {"jobId": error.job_id}


def _job_state(error: JobStateConflict) -> _Described:
    data: dict[str, object] = {"jobId": error.job_id, "state": error.state}
    if isinstance(error.result, Updated):
        data["result"] = result_fields(error.result)
        return f"{error.code}.applied", {"job_id": error.job_id}, data
    return error.code, {"job_id": error.job_id, "state": error.state}, data


def _mailbox_full(error: MailboxFull) -> _Described:
    text = "MAILBOX_FULL" if error.scope == "mailbox" else f"MAILBOX_FULL.{error.scope}"
    return text, {}, {"scope": error.scope, "capacity": error.capacity}


def _still_waiting(error: StillWaiting) -> _Described:
    variant = "paused" if error.paused else "busy"
    return f"SERVICE_UNAVAILABLE.{variant}", {}, {"paused": error.paused}


def _lease_spoilt(error: LeaseSpoilt) -> _Described:
    return "SERVICE_UNAVAILABLE.lease_spoilt", {"detail": str(error)}, {}


def _shards_fixed(error: ShardsFixed) -> _Described:
    return error.code, {"node": error.node}, {"node": error.node}


def _plain(text: str) -> Callable[[WorkOrderError], _Described]:
    return lambda _error: (text, {}, {})


_TABLE: Final[Mapping[type[WorkOrderError], Callable[..., _Described]]] = {
    WorkOrderNotFound: _not_found,
    DuplicateOperation: _duplicate,
    OverPlan: _over_plan,
    OperationRefused: _operation_refused,
    QuantityOutOfRange: _out_of_range,
    OrderUnreadable: _unreadable,
    RequestIdConflict: _conflict,
    JobNotFound: _no_job,
    JobStateConflict: _job_state,
    MailboxFull: _mailbox_full,
    TooManyActors: _plain("SERVICE_UNAVAILABLE.actors"),
    NotOwner: _plain("SERVICE_UNAVAILABLE.owner"),
    Fenced: _plain("SERVICE_UNAVAILABLE.owner"),
    StillWaiting: _still_waiting,
    StoreUnavailable: _plain("SERVICE_UNAVAILABLE.store"),
    NotApplied: _plain("SERVICE_UNAVAILABLE"),
    ShardsFixed: _shards_fixed,
    LeaseSpoilt: _lease_spoilt,
    LeaseUnavailable: _plain("SERVICE_UNAVAILABLE.lease"),
    OutcomeUnknown: _plain("TIMEOUT"),
    StoreRejected: _plain("SYSTEM_ERROR.rejected"),
    PoisonMessage: _plain("SYSTEM_ERROR.given_up"),
    WorkOrderError: _plain("SYSTEM_ERROR"),
}
_LEASE_RETRY_S: Final = 1


def problem_of(error: WorkOrderError) -> Problem:
    """Translate an error of the actors."""
    describe = next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)
    text, params, data = describe(error)
    if isinstance(error, NotApplied):
        retry_after_s: int | None = error.retry_after_s
    else:
        retry_after_s = _LEASE_RETRY_S if isinstance(error, LeaseUnavailable) else None
    return Problem(text.partition(".")[0], text, params, data or None, retry_after_s)


def as_sent(problem: Problem, order_id: str) -> Problem:
    """Spell the order's id, where the problem names it, as the caller did."""
    data = problem.data or {}
    if data.get("workOrderId") != order_id.lower():
        return problem
    params = {**problem.params, "work_order_id": order_id}
    return replace(problem, data={**data, "workOrderId": order_id}, params=params)


SYSTEM_ERROR: Final = Problem("SYSTEM_ERROR", "SYSTEM_ERROR")
NOT_APPLIED: Final = Problem("SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE", retry_after_s=1)
READ_TOO_LONG: Final = Problem("SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE.read", retry_after_s=1)
