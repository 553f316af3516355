"""What is wrong now, in plain words: the alerts of Prometheus, as the service itself sees them."""

from web.observe.alarms.rules import RULES, Severity, Show
from web.observe.alarms.texts import WORDINGS, render_alarm
from web.observe.alarms.watch import ALARMS, Alarm, Alarms

__all__ = ["ALARMS", "RULES", "WORDINGS", "Alarm", "Alarms", "Severity", "Show", "render_alarm"]
