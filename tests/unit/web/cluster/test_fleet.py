"""How many nodes there should be is learnt; a node that is gone is missed, and not forgotten."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from actors.errors import StoreUnavailable
from actors.node.status import Role
from actors.store.shards import Member
from tests.unit.web.fake_node import FakeNode
from tests.unit.web.served import served
from tests.virtual_time import in_virtual_time
from web.app import Options, build_app
from web.cluster.fleet import LOOKED_EVERY_S, Fleet, FleetState
from web.cluster.neighbours import Neighbours, report_of

if TYPE_CHECKING:
    from tests.fake_lease import LeaseServer
    from tests.fakes import MemoryStore
    from tests.unit.web.served import Served


def _report(name: str) -> str:
    figures = {"version": "0.2.0", "upS": 60, "lagMs": 0.4}
    node = FakeNode()
    node.become(node=name, url=f"http://{name}", role=Role.STANDBY)
    return report_of(node.status(), figures)


class _Town:
    """An owner, and standbys that report to it for as long as they live."""

    def __init__(self, expected: int | None = None) -> None:
        self.node = FakeNode()
        self.begin(expected)

    def begin(self, expected: int | None = None) -> None:
        """Have another owner begin on the same store."""
        self.neighbours = Neighbours()
        self.fleet = Fleet(self.node.as_node(), self.neighbours, "0.2.0", expected)

    async def goes_on(self, seconds: float, *standbys: str) -> FleetState:
        for _ in range(round(seconds / LOOKED_EVERY_S)):
            await asyncio.sleep(LOOKED_EVERY_S)
            for each in standbys:
                self.neighbours.heard(_report(each))
            await self.fleet.look()
        state = self.fleet.state()
        assert state is not None
        return state


@in_virtual_time
async def test_a_standby_that_died_is_missed_and_listed_with_when_it_was_last_heard() -> None:
    town = _Town()
    assert town.fleet.state() == FleetState(1, 1), "nothing is known yet"
    whole = await town.goes_on(120, "n-2", "n-3")
    assert (whole.present, whole.expected, whole.gone, whole.missing_s) == (3, 3, (), 0)
    poor = await town.goes_on(30, "n-2")
    assert (poor.present, poor.expected) == (2, 3)
    assert [each.node for each in poor.gone] == ["n-3"]
    assert poor.missing_s == pytest.approx(30, abs=6)
    assert (await town.goes_on(30, "n-2", "n-3")).missing_s == 0


@in_virtual_time
async def test_the_next_owner_knows_of_those_before_it_and_waits_until_it_can_have_heard_them() -> (
    None
):
    town = _Town()
    await town.goes_on(120, "n-2")
    town.begin()
    assert (await town.goes_on(10)).missing_s == 0
    poor = await town.goes_on(10)
    assert (poor.present, poor.expected, [each.node for each in poor.gone]) == (1, 2, ["n-2"])
    assert poor.missing_s > 0


@in_virtual_time
async def test_a_node_that_is_replaced_is_not_one_more_and_not_gone() -> None:
    town = _Town()
    await town.goes_on(120, "n-2")
    assert (await town.goes_on(20, "n-2", "n-2-again")).expected == 2
    node = FakeNode()
    node.become(node="n-9", url="http://n-2", role=Role.STANDBY)
    for _ in range(12):
        await asyncio.sleep(LOOKED_EVERY_S)
        town.neighbours.heard(report_of(node.status(), {}))
        await town.fleet.look()
    state = town.fleet.state()
    assert state is not None
    assert [each.node for each in state.gone] == ["n-2-again"]


@in_virtual_time
async def test_an_owner_that_ended_before_it_kept_anything_is_gone_by_name() -> None:
    town = _Town(expected=2)
    seen = town.node.ownership()
    seen.note("n-0", "http://n-0", 2)
    seen.note(town.node.node_id, "http://n-1", 3)
    town.begin(3)
    state = await town.goes_on(20)
    assert [each.node for each in state.gone] == ["n-0"]
    assert state.missing_s > 0

    town.node.roster = SimpleNamespace(term=4)  # the owners are no nodes
    town.begin(3)
    await town.fleet.look()
    assert "n-0" not in town.fleet._seen  # noqa: SLF001


@in_virtual_time
async def test_what_is_expected_may_be_set_and_a_standby_counts_nobody() -> None:
    town = _Town(expected=1)
    await town.goes_on(120, "n-2")
    assert (await town.goes_on(60)).missing_s == 0
    town.begin(4)
    assert (await town.goes_on(60, "n-2")).expected == 4
    town.node.become(epoch=0)
    await town.fleet.look()
    assert town.fleet.state() is None


async def _alarms(here: Served) -> dict[str, str]:
    found = (await here.get("/api/alarms"))["alarms"]
    return {each["code"]: each["message"] for each in found}


async def test_a_missing_standby_is_an_alarm_a_metric_and_a_row(
    store: MemoryStore, lease: LeaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.cluster.fleet.LOOKED_EVERY_S", 0.02)
    monkeypatch.setattr("web.cluster.fleet._MISSING_S", 0.0)
    monkeypatch.setattr("web.cluster.fleet._STEADY", 1)
    monkeypatch.setattr("web.cluster.neighbours.PRESENT_S", 1.0)
    async with served(store, lease, "a") as first:
        async with served(store, lease, "b"), asyncio.timeout(100):
            while len(nodes := (await first.get("/api/nodes"))["nodes"]) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert (nodes[1]["storeOk"], nodes[1]["leaseOk"]) == (True, True)
            assert nodes[1]["version"] == nodes[0]["version"]
            assert nodes[1]["upS"] >= 0
            while (await first.get("/api/nodes"))["expected"] != 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        async with asyncio.timeout(100):
            while "NO_STANDBY" not in (found := await _alarms(first)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert "missing: b" in found["NO_STANDBY"]
        (_, gone) = (await first.get("/api/nodes"))["nodes"]
        assert (gone["node"], gone["role"]) == ("b", None)
        assert gone["lastHeard"]
        async with first.session.get("/metrics") as reply:
            assert "workorder_nodes_missing 1.0" in await reply.text()


async def test_fewer_than_are_expected_and_still_a_standby_is_told_so(
    store: MemoryStore, lease: LeaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.cluster.fleet.LOOKED_EVERY_S", 0.02)
    monkeypatch.setattr("web.cluster.fleet._MISSING_S", 0.0)
    options = Options(expected_nodes=3)
    async with (
        served(store, lease, "a", options) as first,
        served(store, lease, "b", options),
        asyncio.timeout(100),
    ):
        while "NODES_MISSING" not in (found := await _alarms(first)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert "2 of 3" in found["NODES_MISSING"]


@in_virtual_time
async def test_a_store_that_is_away_costs_the_count_nothing_but_what_it_would_have_kept() -> None:
    town = _Town()
    town.node.store.records = type(town.node.store.records)(_away)
    run = town.fleet.run(web.Application())
    await anext(run)
    await asyncio.sleep(60)
    assert not town.node.store.records.kept
    town.node.store.records = type(town.node.store.records)()
    await asyncio.sleep(60)
    assert town.node.store.records.kept
    with pytest.raises(StopAsyncIteration):
        await anext(run)


async def _away() -> None:
    raise StoreUnavailable("away")


def test_figures_that_are_none_are_not_shown() -> None:
    said = json.loads(_report("n-2"))
    neighbours = Neighbours()
    neighbours.heard(json.dumps(said | {"version": 1, "upS": -1, "lagMs": True, "store": "yes"}))
    (found,) = neighbours.present()
    assert (found.version, found.up_s, found.lag_ms, found.store_ok) == (None, None, None, None)
    assert found.lease_ok is True


async def test_front_doors_are_the_nodes_and_the_holders_of_the_shards_leases_are_none(
    node: FakeNode, options: Options
) -> None:
    roster = SimpleNamespace(term=1, others=lambda: [Member("door-b", "http://b")])
    node.roster = roster
    # As the engine says: it is this front door, and a shard's process has the lease.
    node.become(node="node-1", lease_holder="shard-0a.host")
    app = build_app(node.as_node(), options)
    async with TestClient(TestServer(app)) as client, client.get("/api/nodes") as reply:
        data = (await reply.json())["data"]
    assert [each["node"] for each in data["nodes"]] == ["node-1", "door-b"]
    assert data["expected"] == 1
    roster.term = 0
    assert Fleet(node.as_node(), Neighbours(roster), "0.2.0", 2).state() is None


@in_virtual_time
async def test_a_front_door_that_is_gone_is_missed_by_the_one_that_counts() -> None:
    town = _Town(expected=2)
    here = [Member("door-b", "http://b")]
    town.node.roster = SimpleNamespace(term=1, others=lambda: here)
    town.neighbours = Neighbours(town.node.roster)
    town.fleet = Fleet(town.node.as_node(), town.neighbours, "0.2.0", 2)
    assert (await town.goes_on(60)).missing_s == 0
    here.clear()
    poor = await town.goes_on(30)
    assert (poor.present, [each.node for each in poor.gone]) == (1, ["door-b"])
    assert poor.missing_s > 0
