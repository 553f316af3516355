"""The bodies and query strings that callers send, and their way into typed messages.

The models refuse what can't be counted (order, type, quantity, key) and name its field; a
context is taken as it comes (`web.wire.log_context`). They are on the way of every update:
`validate_python` of a ready model, no adapter built per request.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from actors.domain.messages import UpdateQuantity
from actors.domain.model import (
    MAX_QUANTITY,
    Change,
    ChangeType,
    JobId,
    LogContext,
    Number,
    Operation,
    RequestId,
    WorkOrderId,
    new_job_id,
)
from actors.domain.rules import normalize
from actors.domain.slots import MAX_SHARDS
from web.app_context import LogLevel
from web.wire.json_body import decode_object
from web.wire.log_context import LogContextBody, SaidContext, read_context
from web.wire.problems import invalid
from web.wire.usual import MAX_REQUEST_ID, read_usual, take_usual

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.model import Trace
    from web.wire.problems import RequestError
    from web.wire.usual import UsualUpdate

MAX_GRACE: Final = 2**53 - 1
"""Milliseconds: the largest whole number that every reader of JSON reads as it is."""
HEX_ID: Final = re.compile(r"[0-9a-fA-F]{24}")

_Nothing = Literal[""] | None
_HexId = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{24}$", to_lower=True)]
Context = Annotated[Any, PlainValidator(read_context, json_schema_input_type=LogContextBody | None)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=MAX_REQUEST_ID)]
_Quantity = (
    Annotated[int, Field(strict=True, ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
    | Annotated[float, Field(strict=True, ge=-MAX_QUANTITY, le=MAX_QUANTITY, allow_inf_nan=False)]
)


def _boolean(said: object) -> bool | None:
    """Return what is a boolean; all else says nothing, as what was counted counts without it."""
    return said if isinstance(said, bool) else None


Wait = Annotated[bool | None, BeforeValidator(_boolean)]


class BaseBody(BaseModel):
    """What all bodies have in common."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True
    )


class UpdateBody(BaseBody):
    """One change: the body of `update-quantity`, and an item of a batch."""

    work_order_id: _HexId
    type: ChangeType
    quantity: _Quantity = 1
    log_context: Context = None
    request_id: Key | None = None
    wait: Wait = None


class BatchBody(BaseBody):
    """Many changes. Each item is checked by itself, so that a bad one fails alone."""

    updates: Annotated[list[UpdateBody], Field(min_length=1)]
    request_id: Key | None = None
    wait: Wait = None


class JobFilterBody(BaseBody):
    """Which failed jobs are meant: of one order, with one error, or all."""

    work_order_id: Annotated[str, StringConstraints(max_length=100)] | None = None
    """Its id or its number."""
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z_]{1,64}$")] | None = None


class DiscardBody(JobFilterBody):
    """Which failed jobs are forgotten; a filter misspelt or left empty is refused."""

    model_config = ConfigDict(extra="forbid")

    work_order_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    """Its id or its number."""


class CleanBody(BaseBody):
    """Body of `queue/clean`."""

    grace: Annotated[float, Field(strict=True, ge=0, le=MAX_GRACE, allow_inf_nan=False)] = 5000.0
    """Milliseconds."""


class LogLevelBody(BaseBody):
    """Body of a change of `log-level`."""

    level: LogLevel


class ShardsBody(BaseBody):
    """Body of a change of the number of shards."""

    shards: Annotated[int, Field(ge=1, le=MAX_SHARDS, strict=True)]


_UPDATE: Final = UpdateBody.__pydantic_validator__
_NO_CONTEXT: Final = LogContext()
_CONTEXT_DEFAULTS: Final = {
    name: getattr(_NO_CONTEXT, name) for name in LogContext.__dataclass_fields__
}


def parse_update(
    body: Mapping[str, object],
    request_id: RequestId | None,
    deadline: float,
    trace: Trace,
    *,
    wait: bool = True,
    max_quantity: int | None = None,
) -> UpdateQuantity:
    """Read one change; `request_id` and `wait` are what is said outside of `body`.

    `max_quantity` is the most, up or down, that is no slip of the hand here; `deadline` is in
    `time.monotonic()` seconds. Raises `RequestError`, naming the first field at fault in the order
    of the model.
    """
    usual = take_usual(body)
    if usual is not None:
        message = _usual_message(usual, request_id, deadline, trace, wait=wait)
    else:
        message = _any_message(body, request_id, deadline, trace, wait=wait)
    return _within(message, max_quantity)


def _any_message(
    body: Mapping[str, object],
    request_id: RequestId | None,
    deadline: float,
    trace: Trace,
    *,
    wait: bool,
) -> UpdateQuantity:
    try:
        update: UpdateBody = _UPDATE.validate_python(body)
    except ValidationError as error:
        raise _refusal(error, body) from None
    said: SaidContext = update.log_context or SaidContext()
    quantity = normalize(update.quantity)
    key = merge_request_ids(request_id, update.request_id)
    fingerprint = "" if key is None else _fingerprint(update.type, quantity, said)
    change = Change(new_job_id(), update.type, quantity, said.context, key, fingerprint)
    waits = wait if update.wait is None else update.wait
    return UpdateQuantity(WorkOrderId(update.work_order_id), change, deadline, trace, waits)


def read_update(
    body: bytes,
    request_id: RequestId | None,
    deadline: float,
    trace: Trace,
    *,
    wait: bool = True,
    max_quantity: int | None = None,
) -> tuple[UpdateQuantity, str]:
    """Read a body that is one change, as `parse_update`; return the order's id as sent, too."""
    usual = read_usual(body)
    if usual is not None:
        message = _usual_message(usual, request_id, deadline, trace, wait=wait)
        return _within(message, max_quantity), usual.work_order_id
    decoded = decode_object(body)
    message = _any_message(decoded, request_id, deadline, trace, wait=wait)
    return _within(message, max_quantity), str(decoded["workOrderId"])


def _within(message: UpdateQuantity, max_quantity: int | None) -> UpdateQuantity:
    """Return the message; raises `RequestError` where it counts more than is let through."""
    if max_quantity is not None and abs(message.change.quantity) > max_quantity:
        raise invalid("INVALID_QUANTITY", "quantity", "max", limit=max_quantity)
    return message


def _usual_message(
    update: UsualUpdate,
    request_id: RequestId | None,
    deadline: float,
    trace: Trace,
    *,
    wait: bool,
) -> UpdateQuantity:
    key = merge_request_ids(request_id, update.request_id)
    fingerprint = "" if key is None else digest(update.type, update.quantity, update.said)
    context = LogContext(**update.said) if update.said else _NO_CONTEXT
    change = Change(new_job_id(), update.type, update.quantity, context, key, fingerprint)
    waits = wait if update.wait is None else update.wait
    return UpdateQuantity(WorkOrderId(update.work_order_id), change, deadline, trace, waits)


def parse_work_order_id(text: str, field: str = "id") -> WorkOrderId:
    """Read an order's id from a path; raises `RequestError`."""
    if not HEX_ID.fullmatch(text):
        raise invalid("INVALID_WORK_ORDER_ID", field)
    return WorkOrderId(text.lower())


def parse_job_id(text: str) -> JobId:
    """Read a job's id from a path; raises `RequestError`."""
    if not HEX_ID.fullmatch(text):
        raise invalid("INVALID_JOB_ID", "id")
    return JobId(text.lower())


def parse_wait(body: Mapping[str, object], default: bool) -> bool:  # noqa: FBT001 -- what else
    """Read whether the caller of a batch waits; what is no boolean says nothing."""
    wait = _boolean(body.get("wait"))
    return default if wait is None else wait


def parse_filter_body(
    body: Mapping[str, object], model: type[JobFilterBody] = JobFilterBody
) -> tuple[str | None, str | None]:
    """Read which failed jobs are meant: of one order, by id or number, with one error.

    Raises `RequestError`.
    """
    try:
        asked = model.model_validate(body)
    except ValidationError as error:
        match first_field(error):
            case "code":
                raise invalid("INVALID_JOB_QUERY", "code", "code") from None
            case "workOrderId":
                raise invalid("INVALID_WORK_ORDER_ID", "workOrderId") from None
            case unknown:
                allowed = "workOrderId, code"
                raise invalid("INVALID_JOB_QUERY", unknown, allowed=allowed) from None
    return asked.work_order_id or None, asked.code


def parse_log_level(body: Mapping[str, object]) -> LogLevel:
    """Read the level to log from now on; raises `RequestError`."""
    try:
        return LogLevelBody.model_validate(body).level
    except ValidationError:
        allowed = ", ".join(get_args(LogLevel))
        raise invalid("INVALID_LOG_LEVEL", "level", allowed=allowed) from None


def parse_shards(body: Mapping[str, object]) -> int:
    """Read into how many shards the orders are to be cut; raises `RequestError`."""
    try:
        return ShardsBody.model_validate(body).shards
    except ValidationError:
        raise invalid("INVALID_SHARDS", "shards", limit=MAX_SHARDS) from None


def parse_grace(body: Mapping[str, object]) -> float:
    """Read how long finished jobs are kept, in seconds; raises `RequestError`."""
    try:
        return CleanBody.model_validate(body).grace / 1000
    except ValidationError:
        raise invalid("INVALID_GRACE", "grace") from None


def check_request_id(value: object, field: str) -> RequestId:
    """Check an idempotency key from the header or body field `field`; raises `RequestError`."""
    if isinstance(value, str) and 0 < len(value) <= MAX_REQUEST_ID and value.isprintable():
        return RequestId(value)
    raise invalid("INVALID_REQUEST_ID", field, limit=MAX_REQUEST_ID)


def merge_request_ids(header: RequestId | None, in_body: object) -> RequestId | None:
    """Return the one key that header and body agree on; raises `RequestError`."""
    if in_body is None:
        return header
    key = check_request_id(in_body, "requestId")
    if header is not None and header != key:
        raise invalid("INVALID_REQUEST_ID", "requestId", "differs")
    return key


def _fingerprint(kind: ChangeType, quantity: Number, said: SaidContext) -> str:
    """Digest what was asked for, leaving defaults out: new fields must not change old digests.

    What was said goes in whole where the context has less of it: a key is for one content.
    """
    given = {
        name: value
        for name, default in _CONTEXT_DEFAULTS.items()
        if (value := getattr(said.context, name)) != default
    }
    return digest(kind, quantity, given, said.altered)


def digest(
    kind: ChangeType | Operation,
    quantity: Number,
    given: object,
    altered: Mapping[str, str] | None = None,
) -> str:
    """Return the fingerprint of what was asked for: a key is for one content."""
    content = orjson.dumps((str(kind), quantity, given), option=orjson.OPT_SORT_KEYS)
    if altered:
        content += json.dumps(altered, sort_keys=True).encode()
    return blake2b(content, digest_size=16).hexdigest()


def first_field(error: ValidationError) -> str:
    """Name the first field that a model refused; "" where it is the whole that was refused."""
    location = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
    return str(location[0]) if location else ""


def _refusal(error: ValidationError, body: Mapping[str, object]) -> RequestError:
    """Say what is wrong with the first field that the model refused."""
    field = first_field(error)
    value = body.get(field) if isinstance(body, dict) else None
    match field:
        case "workOrderId" if value is None or value == "":
            return invalid("MISSING_WORK_ORDER_ID", field)
        case "workOrderId":
            return invalid("INVALID_WORK_ORDER_ID", field)
        case "type":
            return invalid("INVALID_TYPE", field)
        case "quantity":
            return invalid("INVALID_QUANTITY", field, limit=MAX_QUANTITY)
        case _:
            return invalid("INVALID_REQUEST_ID", field, limit=MAX_REQUEST_ID)
