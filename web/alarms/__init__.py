"""What is wrong now, in plain words: the alerts of Prometheus, as the service itself sees them."""

from web.alarms.rules import RULES, Severity, Show
from web.alarms.texts import WORDINGS, render_alarm
from web.alarms.watch import ALARMS, Alarm, Alarms

__all__ = ["ALARMS", "RULES", "WORDINGS", "Alarm", "Alarms", "Severity", "Show", "render_alarm"]
