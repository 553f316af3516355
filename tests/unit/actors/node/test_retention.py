"""Old entries are moved in the background, whatever the store answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import pytest

from actors.errors import StoreUnavailable
from actors.node import retention
from actors.node.term import Term, TermOptions
from actors.orders.region import Region
from actors.orders.supervisor import Limits
from actors.store.archive import Moved
from actors.telemetry.counters import ArchiveStats
from actors.telemetry.telemetry import Telemetry
from tests.fakes import MemoryStore
from tests.unit.actors.owner import turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.store.archive import Archive


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


async def test_a_term_keeps_the_log_short_where_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began: list[int] = []

    async def keep(_archive: Archive, days: int, _stats: ArchiveStats) -> None:
        began.append(days)

    monkeypatch.setattr("actors.node.term.keep_log_short", keep)
    for days in (None, 365):
        store = MemoryStore()
        region = Region(Telemetry(), AsyncMock())
        options = TermOptions(Limits(), retention_days=days)
        term = Term(store, region, await store.claim_epoch("node"), options, lambda _: None)
        await term.begin()
        await turns()
        await term.abandon("the test is over")
        await term.settled()
    assert began == [365]


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
