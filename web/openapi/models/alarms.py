"""The reply of `/api/alarms`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from web.observe.alarms import RULES, Severity, Show
from web.openapi.models.reply import HexId, Moment, reply


@reply
class Alarm(TypedDict):
    """Something that is wrong, in the language of the call."""

    code: Annotated[str, Field(json_schema_extra={"enum": [each.code for each in RULES]})]
    severity: Severity
    sinceS: Annotated[float, Field(ge=0)]
    """For how many seconds it has been so, as far as the node that tells it knows."""
    message: str
    advice: str
    workOrderId: HexId | None
    show: Show | None
    """Where the console leads to."""


@reply
class Alarms(TypedDict):
    """What is wrong now, the critical things first."""

    ok: bool
    """Whether nothing is."""
    at: Moment
    alarms: list[Alarm]
