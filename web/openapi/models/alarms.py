"""The reply of `/api/alarms`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from web.observe.alarms import RULES, Severity, Show
from web.openapi.models.reply import HexId, Moment, reply


@reply
class Consequence(TypedDict):
    """Something that is wrong, in the language of the call."""

    code: Annotated[str, Field(json_schema_extra={"enum": [each.code for each in RULES]})]
    severity: Severity
    sinceS: Annotated[float, Field(ge=0)]
    """For how many seconds it has been so, as far as the node that tells it knows."""
    overS: Annotated[float, Field(ge=0)] | None
    """For how many seconds it is over; null while it goes on."""
    message: str
    advice: str
    itself: str | None
    """What happens without anybody, where something does."""
    workOrderId: HexId | None
    workOrderNo: str | None
    """Its number; null where it is not known, or there is none."""
    show: Show | None
    """Where the console leads to."""


@reply
class Alarm(Consequence):
    """A cause, or what has none that is known."""

    consequences: list[Consequence]
    """What follows from it, and needs no attention of its own."""


@reply
class Alarms(TypedDict):
    """What is wrong now, the critical things first."""

    ok: bool
    """Whether nothing is; what is over counts no more."""
    at: Moment
    alarms: list[Alarm]
