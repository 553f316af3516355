"""The body of an operation of a whole order, and its way into a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, ValidationError

from actors.domain.messages import UpdateQuantity
from actors.domain.model import (
    MAX_QUANTITY,
    Change,
    Number,
    Operation,
    RequestId,
    new_job_id,
)
from actors.domain.rules import normalize
from web.wire.log_context import SaidContext
from web.wire.problems import invalid
from web.wire.schemas import BaseBody, Context, Key, digest, first_field, merge_request_ids
from web.wire.usual import MAX_REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.model import Trace, WorkOrderId
    from web.wire.problems import RequestError

_Pieces = (
    Annotated[int, Field(strict=True, gt=0, le=MAX_QUANTITY)]
    | Annotated[float, Field(strict=True, gt=0, le=MAX_QUANTITY, allow_inf_nan=False)]
)
_ALLOWED: Final = ", ".join(Operation)


class OperationBody(BaseBody):
    """What to do with an order."""

    operation: Operation
    quantity: _Pieces = 1
    """Pieces of scrap."""
    plan_production_quantity: _Pieces | None = None
    """The new plan, of a change-plan."""
    supplement_quantity: _Pieces | None = None
    """Pieces that a supplement is made for; without it, all scrap that has none yet."""
    log_context: Context = None
    """Who and why; for scrap with its `relatedBarcode`."""
    request_id: Key | None = None


class OperationItem(OperationBody):
    """One of many, with the order that it is about."""

    work_order_id: str


class OperationsBody(BaseBody):
    """Many operations. Each item is checked by itself, so that a bad one fails alone."""

    operations: Annotated[list[OperationItem], Field(min_length=1)]
    request_id: Key | None = None


def parse_operation(
    order_id: WorkOrderId,
    body: Mapping[str, object],
    request_id: RequestId | None,
    deadline: float,
    trace: Trace,
) -> UpdateQuantity:
    """Read an operation; `request_id` is what the header says, `deadline` as for updates.

    Raises `RequestError`, naming the field at fault.
    """
    try:
        asked = OperationBody.model_validate(body)
    except ValidationError as error:
        raise _refusal(error) from None
    said: SaidContext = asked.log_context or SaidContext()
    operation, quantity = asked.operation, _quantity(asked)
    if operation is Operation.SCRAP and not said.context.related_barcode:
        raise invalid("INVALID_OPERATION", "logContext.relatedBarcode", "missing")
    key = merge_request_ids(request_id, asked.request_id)
    barcode = said.context.related_barcode
    fingerprint = "" if key is None else digest(operation, quantity, barcode)
    change = Change(new_job_id(), operation, quantity, said.context, key, fingerprint)
    return UpdateQuantity(order_id, change, deadline, trace)


def _quantity(asked: OperationBody) -> Number:
    if asked.operation is Operation.SCRAP:
        return normalize(asked.quantity)
    if asked.operation is Operation.SUPPLEMENT:
        return normalize(asked.supplement_quantity or 0)
    if asked.operation is not Operation.CHANGE_PLAN:
        return 0
    if asked.plan_production_quantity is None:
        raise invalid("INVALID_OPERATION", "planProductionQuantity", "missing")
    return normalize(asked.plan_production_quantity)


def _refusal(error: ValidationError) -> RequestError:
    field = first_field(error)
    if field == "operation":
        return invalid("INVALID_OPERATION", field, allowed=_ALLOWED)
    if field == "requestId":
        return invalid("INVALID_REQUEST_ID", field, limit=MAX_REQUEST_ID)
    return invalid("INVALID_QUANTITY", field, limit=MAX_QUANTITY)
