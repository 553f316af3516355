"""Processes, machines and front doors fail under load: nothing lost, doubled or overtaken."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from actors.store.schema import REFUSALS
from tests.chaos.callers import Callers, Pace
from tests.chaos.checker import check, read_books
from tests.chaos.history import HistoryWriter, read_history, read_operations
from tests.ray.fleet import RayFleet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(600),
    # Not by importing it, which reads the environment for good.
    pytest.mark.skipif(
        find_spec("ray") is None, reason="Ray is not installed: scripts/ray-test.sh runs these"
    ),
]

_CALM = 40
_SERVED_WITHIN_S = 100.0


async def _strike_all(fleet: RayFleet, callers: Callers) -> None:
    await callers.served(2 * _CALM)

    # A shard's process is killed: its spare has the lease when it runs out.
    before = fleet.holder(0)
    fleet.kill(before)
    await fleet.taken_over(0, before)
    await callers.served(_CALM, _SERVED_WITHIN_S)
    await fleet.whole()

    # It freezes, which Ray never sees: the spare takes over, and the keeper has it replaced.
    before = fleet.holder(1)
    pid = fleet.freeze(before)
    await fleet.taken_over(1, before)
    await callers.served(_CALM, _SERVED_WITHIN_S)
    await fleet.replaced(before, pid)
    await fleet.whole()

    # It can't renew its lease and doesn't know: the epoch keeps it from the orders.
    before = fleet.holder(0)
    machine = fleet.machine_of(before)
    machine.wire.swallow()
    await fleet.taken_over(0, before)
    await callers.served(_CALM, _SERVED_WITHIN_S)
    machine.wire.passes()
    fenced = [each for each in machine.events("stepped_down") if "epoch" in each["reason"]]
    assert fenced

    # A front door is killed: the other one serves.
    await asyncio.to_thread(fleet.doors[1].kill)
    await callers.served(_CALM, _SERVED_WITHIN_S)
    await asyncio.to_thread(fleet.doors[1].start)

    # A machine is lost, with whatever it owned.
    before = fleet.holder(1)
    machine = fleet.machine_of(before)
    machine.kill_raylet()
    await fleet.taken_over(1, before)
    await callers.served(_CALM, _SERVED_WITHIN_S)


async def _perform(fleet: RayFleet, history: HistoryWriter) -> Callers:
    urls = [door.uri for door in fleet.doors]
    orders = [str(each["_id"]) for each in fleet.orders]
    callers = Callers(urls, orders, history, 20261126, Pace(callers=24))
    try:
        callers.start()
        await _strike_all(fleet, callers)
        await callers.finish()
    finally:
        await callers.close()
    return callers


def test_whatever_fails_every_promise_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with RayFleet(tmp_path) as fleet:
        with HistoryWriter(path) as history:
            callers = asyncio.run(_perform(fleet, history))
        for door in fleet.doors:
            door.stop()
        books = read_books(fleet.backdoor, fleet.orders)
        refused = {
            each["planServer"].get("requestId") for each in fleet.backdoor.database[REFUSALS].find()
        }
    verdict = check(read_history(path), books, read_operations(path), refused)
    assert not verdict.violations, verdict
    assert not callers.unsettled
    assert verdict.acknowledged > 5 * _CALM
