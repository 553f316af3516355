"""What is wrong now, in plain words: the alerts of Prometheus, as the service itself sees them."""

from web.observe.alarms.conditions import RULES, Severity, Show
from web.observe.alarms.watch import ALARMS, Alarm, Alarms
from web.observe.alarms.wording import WORDINGS, render_alarm

__all__ = ["ALARMS", "RULES", "WORDINGS", "Alarm", "Alarms", "Severity", "Show", "render_alarm"]
