"""How long to wait before a server that did not answer is asked again."""

from __future__ import annotations

import asyncio
import random

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0


async def rest_for(seconds: float) -> float:
    """Sleep about `seconds`; give the next pause of an exponential back-off with jitter."""
    await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 -- not a secret
    return min(seconds * 2, LONGEST_PAUSE_S)
