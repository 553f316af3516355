"""The past that is kept: minutes and their hours, whoever owned the actors, and no more of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from actors.operators.past import (
    HOUR,
    MARK,
    MINUTE,
    PastKeeper,
    mark_record,
    read_marks,
    read_past,
)
from actors.store.records import Record
from tests.fake_records import MemoryRecords
from tests.unit.actors.operators.test_history import _AT, Watched

_BEGAN = datetime.fromtimestamp(_AT, UTC)
_LONG_AGO = _BEGAN - timedelta(days=400)


async def _minutes(node: Watched, keeper: PastKeeper, numbers: range, updates: int) -> None:
    for number in numbers:
        node.answer("applied", updates, 0.010)
        node.sample(60.0 * (number + 1))
        await keeper.keep()


async def test_minutes_are_kept_and_added_up_into_hours_across_owners() -> None:
    records = MemoryRecords()
    first = Watched()
    first.sample(0)
    await _minutes(first, PastKeeper(first.samples, records), range(30), 60)
    second = Watched()
    second.sample(60.0 * 30)
    await _minutes(second, PastKeeper(second.samples, records), range(30, 90), 120)
    minutes = await read_past(records, MINUTE, _LONG_AGO)
    assert [each.applied for each in minutes] == [1] * 30 + [2] * 60
    assert minutes[0].p99_s == pytest.approx(0.010, rel=0.25)
    assert (minutes[0].gauges.waiting, minutes[0].gauges.live) == (7, 9)
    hours = await read_past(records, HOUR, _LONG_AGO)
    assert sum(each.applied > 0 for each in hours) == len(hours) >= 2
    assert 1 < max(each.applied for each in hours) <= 2


async def test_a_minute_is_kept_once_and_nothing_of_a_time_without_actors() -> None:
    node, records = Watched(), MemoryRecords()
    keeper = PastKeeper(node.samples, records)
    await keeper.keep()
    node.sample(0)
    node.sample(60)
    await keeper.keep()
    await keeper.keep()
    assert len(await read_past(records, MINUTE, _LONG_AGO)) == 1
    node.sample(120, None)
    await keeper.keep()
    assert len(await read_past(records, MINUTE, _LONG_AGO)) == 1


async def test_what_is_kept_is_bounded() -> None:
    node, records = Watched(), MemoryRecords()
    for kind, days in ((MINUTE, 2), (HOUR, 32), (MARK, 32), (HOUR, 20)):
        await records.put([Record(kind, f"{days}", _BEGAN - timedelta(days=days))])
    node.sample(0)
    node.sample(60)
    await PastKeeper(node.samples, records).keep()
    kinds = sorted(kind for kind, _ in records.kept)
    assert kinds == [HOUR, HOUR, MINUTE]


async def test_marks_are_read_oldest_first_and_what_is_spoilt_is_nothing() -> None:
    records = MemoryRecords()
    await records.put([mark_record("owner", "a"), mark_record("paused", "")])
    marks = await read_marks(records, _LONG_AGO)
    assert [(each.what, each.text) for each in marks] == [("owner", "a"), ("paused", "")]
    await records.put([Record(MINUTE, "x", _BEGAN, {"applied": "many", "p50_s": None})])
    (spoilt,) = await read_past(records, MINUTE, _LONG_AGO)
    assert (spoilt.applied, spoilt.p50_s, spoilt.gauges.waiting) == (0, None, 0)
