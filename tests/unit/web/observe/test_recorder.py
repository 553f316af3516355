"""The past is kept by whoever owns the actors, and shown by ranges, with what explains it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from actors.errors import StoreUnavailable
from actors.store.records import Record
from actors.telemetry.samples import Gauges
from tests.fake_records import MemoryRecords
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER
from tests.unit.web.fake_node import FakeNode
from tests.virtual_time import in_virtual_time
from web.observe.recorder import Recorder

if TYPE_CHECKING:
    from tests.fakes import MemoryStore
    from tests.unit.web.served import Served


def _marks(node: FakeNode) -> list[tuple[str, str]]:
    kept = [each for (kind, _), each in node.store.records.kept.items() if kind == "mark"]
    return [(each.fields["what"], each.fields["text"]) for each in kept]


@in_virtual_time
async def test_an_owner_marks_its_take_over_and_a_new_version_once() -> None:
    node = FakeNode()
    recorder = Recorder(node.as_node(), "0.1.0")
    node.become(epoch=0)
    await recorder.step()
    assert not node.store.records.kept, "a standby keeps nothing"
    for epoch in (3, 3, 4):
        node.become(epoch=epoch)
        await recorder.step()
    assert _marks(node) == [("owner", "node-1"), ("deployed", "0.1.0"), ("owner", "node-1")]
    await Recorder(node.as_node(), "0.2.0").step()
    assert _marks(node)[-1] == ("deployed", "0.2.0")


@in_virtual_time
async def test_a_front_door_marks_the_owners_that_change_while_it_looks() -> None:
    node = FakeNode()
    node.roster = SimpleNamespace(term=0)
    recorder = Recorder(node.as_node(), "0.1.0")
    await recorder.step()
    assert not node.store.records.kept, "another one keeps them"
    node.roster.term = 1
    for owner, epoch in (("shard-0a", 3), ("shard-0a", 3), ("", 0), ("shard-0b", 4)):
        node.become(node=owner, epoch=epoch)
        await recorder.step()
    assert _marks(node) == [("deployed", "0.1.0"), ("owner", "shard-0b")]


async def _away() -> None:
    raise StoreUnavailable("away")


@in_virtual_time
async def test_a_store_that_is_away_costs_some_minutes_and_no_more() -> None:
    node = FakeNode()
    records, node.store.records = node.store.records, MemoryRecords(_away)
    run = Recorder(node.as_node(), "0.1.0").run(web.Application())
    await anext(run)
    await asyncio.sleep(180)
    node.store.records = records
    for at in (0.0, 60.0):
        node.telemetry.samples.take(Gauges(0, 0, 0, paused=False), at)
        await asyncio.sleep(60)
    assert {kind for kind, _ in records.kept} >= {"mark"}
    with pytest.raises(StopAsyncIteration):
        await anext(run)


async def test_a_range_has_what_earlier_owners_kept_and_marks(
    first: Served, second: Served, store: MemoryStore
) -> None:
    now = datetime.now(UTC)
    for hours in range(1, 100):
        at = now - timedelta(hours=hours)
        fields = {"applied": hours, "p50_s": 0.002, "waiting": 1, "paused": False}
        await store.records.put(
            [Record(kind, f"{hours}", at, fields) for kind in ("minute", "hour")]
        )
    day = await second.get("/api/history?range=24h")
    assert (day["everyS"], day["applied"]) == (60, list(range(23, 0, -1)))
    assert day["p50Ms"] == [2.0] * 23
    week = await first.get("/api/history?range=7d")
    assert (week["everyS"], len(week["at"])) == (3600, 99)
    async with first.session.post(f"/api/workorder/{ORDER}/pause") as reply:
        assert reply.status == 200
    async with first.session.post(f"/api/workorder/{ORDER}/resume") as reply:
        assert reply.status == 200
    recent = await first.get("/api/history?range=5m")
    assert [(each["what"], each["text"]) for each in recent["marks"]] == [
        ("paused", ORDER),
        ("resumed", ORDER),
    ]
    assert recent["everyS"] == 5
    assert (await first.get("/api/history?range=1y", 400))["code"] == "INVALID_ACTOR_QUERY"
    store.choose = lambda method: Fault.REFUSE if method == "records" else None
    assert (await first.get("/api/history?range=24h"))["at"] == [], "and not an error"
