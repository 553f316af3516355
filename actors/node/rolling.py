"""Keeping roll-ups of the log: in the background, a little at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from datetime import tzinfo

    from actors.store.quantities import Statistics

_log = structlog.get_logger(__name__)

_REST_S: Final = 60.0
"""When all is rolled up, and before the first look: an owner has more urgent work."""
_RECHECKED_EVERY_S: Final = 3600.0
_SHARE: Final = 4
"""So many times as long as a piece of work takes, nothing is done after it."""


async def keep_rolled_up(
    statistics: Statistics, zone: tzinfo | None, shifts: tuple[int, ...]
) -> None:
    """Roll up what is over, until cancelled; what fails is tried again."""
    loop = asyncio.get_running_loop()
    recheck_at = loop.time()
    while True:
        await asyncio.sleep(_REST_S)
        try:
            while True:
                begun = loop.time()
                more = await statistics.roll_up(zone, shifts, datetime.now(UTC))
                if not more:
                    break
                await asyncio.sleep(_SHARE * (loop.time() - begun))
            if loop.time() >= recheck_at:
                recheck_at = loop.time() + _RECHECKED_EVERY_S
                if changed := await statistics.recheck():
                    _log.info("log_changed_later", hours=changed)
        except Exception as error:  # noqa: BLE001 -- statistics must not end the term
            _log.warning("rollups_wait", error=repr(error))
