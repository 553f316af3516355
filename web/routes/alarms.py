"""What is wrong now, and what to do about it, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from web.app_context import CALL
from web.observe.alarms import ALARMS, render_alarm
from web.openapi.models.alarms import Alarms
from web.route import Route
from web.wire.dates import now_text
from web.wire.replies import success

if TYPE_CHECKING:
    from aiohttp import web

    from web.app_context import Language
    from web.observe.alarms import Alarm
    from web.openapi.models import alarms as models


async def alarms(request: web.Request) -> web.Response:
    """Show the alarms that hold, the critical ones first."""
    found = await request.app[ALARMS].look()
    language = request[CALL].language
    data: Alarms = {
        "ok": all(each.over_s is not None for each in found),
        "at": now_text(),
        "alarms": [_shown(each, language) for each in found],
    }
    return success(request, data, "OK.alarms")


def _shown(alarm: Alarm, language: Language) -> models.Alarm:
    return {
        **_told(alarm, language),
        "consequences": [_told(each, language) for each in alarm.consequences],
    }


def _told(alarm: Alarm, language: Language) -> models.Consequence:
    found = alarm.finding
    words = render_alarm(found.rule.code, language, found.params)
    return {
        "code": found.rule.code,
        "severity": alarm.severity,
        "sinceS": round(alarm.since_s, 1),
        "overS": None if alarm.over_s is None else round(alarm.over_s, 1),
        "message": words.message,
        "advice": words.advice,
        "itself": words.itself,
        "workOrderId": found.work_order_id,
        "workOrderNo": found.work_order_no,
        "show": "order" if found.work_order_id else found.rule.show,
    }


ROUTES: Final = (
    Route(
        name="alarms",
        method="GET",
        path="/api/alarms",
        handler=alarms,
        needs="nodes",
        tag="Nodes",
        reply=Alarms,
        text="OK.alarms",
    ),
)
