"""What the callers of the outage drill choose; those in Node have the same."""

from __future__ import annotations

from typing import Final

DEADLINE_S: Final = 5.0
ATTEMPT_S: Final = 2.0
BREAKER_OPEN_S: Final = 0.5
PAUSE_S: Final = 0.05
"""Between two calls of one caller, on average."""
