"""The replies of operations of a whole order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from actors.domain.model import Operation
from web.openapi.models.reply import HexId, SentId, reply


@reply
class Operated(TypedDict):
    """The operation is in the order and in the log of operations."""

    success: Literal[True]
    jobId: HexId
    """Names the entry in `plan_server_operations`: its `_id`."""
    workOrderId: SentId
    operation: Operation
    quantity: float
    """Pieces of scrap, or the new plan; else 0."""
    beforeQuantity: float
    """Scrap, or else the plan."""
    afterQuantity: float
    beforeStatus: str | None
    afterStatus: str | None
    beforeProgress: float
    afterProgress: float
    seq: Annotated[int, Field(ge=0)]
    """That of the order's latest count before it."""
    replayed: bool
    """Whether this is the outcome of an earlier call with the same key."""
