"""The reply of `/api/guards`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from actors.domain.guards import Guard, Mode
from actors.domain.model import ChangeType
from web.openapi.models.reply import HexId, Moment, reply


@reply
class GuardMode(TypedDict):
    """A guard, and the changes that broke it while it is only watched, since the node started."""

    guard: Guard
    mode: Mode
    found: Annotated[int, Field(ge=0)]


@reply
class GuardFinding(TypedDict):
    """A change that is applied, and that the guard would have refused, or cut."""

    at: Moment
    guard: Guard
    workOrderId: HexId
    workOrderNo: str | None
    relatedBarcode: str | None
    type: ChangeType
    quantity: float
    """What was applied."""
    jobId: HexId
    """Names the log entry: its `_id`."""
    operator: str


@reply
class Guards(TypedDict):
    """The guards of counts, and their latest findings at the owner, the newest first."""

    node: str
    guards: list[GuardMode]
    findings: list[GuardFinding]
