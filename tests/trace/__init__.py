"""What the main service sends: a day of one production line, call by call, and its replay."""

from __future__ import annotations

from tests.trace.calls import Answer, Call, Outcome, Update
from tests.trace.day import CALLERS, Day, endless_calls, make_day
from tests.trace.orders import FULL, Start, morning, order_id
from tests.trace.replay import replay, send, session

__all__ = [
    "CALLERS",
    "FULL",
    "Answer",
    "Call",
    "Day",
    "Outcome",
    "Start",
    "Update",
    "endless_calls",
    "make_day",
    "morning",
    "order_id",
    "replay",
    "send",
    "session",
]
