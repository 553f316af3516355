"""Keeping the log short: what is old goes to the archive, in the background, a little at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from actors.store.archive import Archive
    from actors.telemetry.counters import ArchiveStats

_log = structlog.get_logger(__name__)

_FIRST_REST_S: Final = 60.0
"""Before the first look: an owner has more urgent work."""
_REST_S: Final = 3600.0
"""When nothing is left."""
_SHARE: Final = 4
"""So many times as long as a batch takes, nothing is done after it, up to a minute."""
_LONGEST_BREAK_S: Final = 60.0


async def keep_log_short(archive: Archive, days: int, stats: ArchiveStats) -> None:
    """Move entries of orders that ended `days` ago, until cancelled; what fails is tried again."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(_FIRST_REST_S)
    while True:
        try:
            begun = loop.time()
            while moved := await archive.move(datetime.now(UTC) - timedelta(days=days)):
                stats.orders += moved.orders
                stats.entries += moved.entries
                _log.info("log_archived", orders=moved.orders, entries=moved.entries)
                await asyncio.sleep(min(_LONGEST_BREAK_S, _SHARE * (loop.time() - begun)))
                begun = loop.time()
        except Exception as error:  # noqa: BLE001 -- a log that grows must not end the term
            _log.warning("archive_waits", error=repr(error))
        await asyncio.sleep(_REST_S)
