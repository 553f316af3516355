"""What is wrong, in plain words, for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from web.alarm_texts import ALARMS
from web.alarms import ALARMS_NOW
from web.replies import success
from web.site import CALL

if TYPE_CHECKING:
    from aiohttp import web

    from web.alarms import Alarm
    from web.texts import Language


async def alarms(request: web.Request) -> web.Response:
    """Tell what is wrong now, as the owner knows it where that can be asked."""
    found = await request.app[ALARMS_NOW].now()
    language = request[CALL].language
    data = {
        "ok": not found,
        "at": datetime.now(UTC),
        "alarms": [_shown(each, language) for each in found],
    }
    return success(request, data, "OK.alarms")


def _shown(alarm: Alarm, language: Language) -> dict[str, object]:
    message, advice = alarm.words(language)
    text = ALARMS[alarm.code]
    return {
        "code": alarm.code,
        "severity": text.severity,
        "sinceS": round(alarm.since_s, 1),
        "message": message,
        "advice": advice,
        "workOrderId": alarm.order_id,
        "show": text.show,
    }
