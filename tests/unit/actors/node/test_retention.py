"""Old entries are moved in the background, whatever the store answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from actors.errors import StoreUnavailable
from actors.node import retention
from actors.store.archive import Moved
from actors.telemetry.counters import ArchiveStats

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Archive:
    """Has two batches, between which it fails once."""

    def __init__(self) -> None:
        self.left: Iterator[Any] = iter([Moved(2, 30), StoreUnavailable("away"), Moved(1, 5), None])
        self.done = asyncio.Event()
        self.asked: list[datetime] = []

    async def move(self, before: datetime) -> Moved | None:
        self.asked.append(before)
        answer = next(self.left, None)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            self.done.set()
        return answer


async def test_batches_are_counted_and_a_failure_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_FIRST_REST_S", "_REST_S"):
        monkeypatch.setattr(retention, name, 0.0)
    archive: Any = _Archive()
    stats = ArchiveStats()
    keeping = asyncio.create_task(retention.keep_log_short(archive, 365, stats))
    async with asyncio.timeout(30):
        await archive.done.wait()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert (stats.orders, stats.entries) == (3, 35)
    assert archive.asked[0] <= datetime.now(UTC) - timedelta(days=365)
    assert archive.asked[0] > datetime.now(UTC) - timedelta(days=366)
