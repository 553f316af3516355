"""The reply of `/api/alarms`."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 -- pydantic reads it
from typing import Annotated

from pydantic import Field

from web.observe.alarms import RULES, Severity, Show
from web.openapi.models.reply import HexId, Reply


class Alarm(Reply):
    """Something that is wrong, in the language of the call."""

    code: Annotated[str, Field(json_schema_extra={"enum": [each.code for each in RULES]})]
    severity: Severity
    since_s: float = Field(ge=0)
    """For how many seconds it has been so, as far as the node that tells it knows."""
    message: str
    advice: str
    work_order_id: HexId | None
    show: Show | None
    """Where the console leads to."""


class Alarms(Reply):
    """What is wrong now, the critical things first."""

    ok: bool
    """Whether nothing is."""
    at: datetime
    alarms: list[Alarm]
