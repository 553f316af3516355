"""A run: a fleet on Ray under load, one fault after the other, and the books at the end."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.callers import Callers, Pace
from tests.chaos.drill import judged
from tests.chaos.figures import Figures, Hit
from tests.chaos.history import HistoryWriter
from tests.ray.faults import FAULTS
from tests.ray.fleet import SHARDS, RayFleet
from tests.ray.scene import Scene
from tests.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.service.nodes import ServiceNode

_CALLERS: Final = 12
"""Of each shard."""


def run_drill(
    faults: Iterable[str], seed: int, say: Callable[[str], None] = lambda _: None
) -> Figures:
    """Have these faults happen, by name, one after the other; blocks until all is judged."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ray-drill-") as at:
        folder = Path(at)
        path = folder / "history.jsonl"
        with RayFleet(folder) as fleet:
            say(f"started in {time.monotonic() - began:.0f} s")
            with HistoryWriter(path) as history:
                scene = asyncio.run(_perform(fleet, history, faults, seed, say))
            scene.mistakes += _not_told(fleet)
            for door in fleet.doors:
                door.stop()
            figures = judged(fleet.backdoor, fleet.orders, path)
    figures.fence_rejections = scene.fenced
    figures.mistakes += scene.mistakes
    figures.hits += [
        Hit(
            blow.fault,
            blow.in_flight,
            scene.gap_s(blow, hit=bool(blow.owners)),
            None,
            scene.gap_s(blow, hit=False) if blow.owners else None,
        )
        for blow in scene.blows
    ]
    for crew in scene.crews:
        figures.unsettled += crew.unsettled
        figures.attempts += crew.codes.total()
    figures.seconds = time.monotonic() - began
    return figures


def _not_told(fleet: RayFleet) -> list[str]:
    """Return what the front door that was there all the time does not know."""
    door = fleet.doors[0]
    nodes = {each["node"] for each in _data(door, "/api/nodes")["nodes"]}
    updates = _data(door, "/api/actors/stats")["updates"]
    mistakes = [] if nodes == {"door-0", "door-1"} else [f"these are the front doors: {nodes}"]
    return [*mistakes, *([] if updates["applied"] else [f"these are the updates: {updates}"])]


def _data(door: ServiceNode, path: str) -> Any:  # noqa: ANN401 -- JSON
    connection = HTTPConnection(door.host, door.port, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())["data"]
    finally:
        connection.close()


async def _perform(
    fleet: RayFleet,
    history: HistoryWriter,
    faults: Iterable[str],
    seed: int,
    say: Callable[[str], None],
) -> Scene:
    urls = [door.uri for door in fleet.doors]
    pace = Pace(callers=_CALLERS)
    crews = [
        Callers(urls, fleet.orders_of(shard), history, seed, pace, first=shard * _CALLERS)
        for shard in range(SHARDS)
    ]
    scene = Scene(fleet, crews)
    try:
        for crew in crews:
            crew.start()
        await scene.served()
        for fault in faults:
            await _happen(scene, fault, say)
        await asyncio.gather(*(crew.finish() for crew in crews))
    finally:
        await asyncio.gather(*(crew.close() for crew in crews))
    return scene


async def _happen(scene: Scene, fault: str, say: Callable[[str], None]) -> None:
    began, before = time.monotonic(), len(scene.blows)
    scene.fault = fault
    try:
        await scene.fleet.whole()
        ready_s = time.monotonic() - began
        await FAULTS[fault](scene)
    except (TimeoutError, ServerError) as error:
        scene.mistakes.append(f"{fault}: {error}")
        ready_s = 0.0
    for blow in scene.blows[before:]:
        # Of a fault that was broken off, as far as was seen.
        blow.until = blow.until or time.monotonic()
        hit, others = (scene.gap_s(blow, hit=each) for each in (True, False))
        say(
            f"{fault}: {len(blow.owners)} owners, gap {hit:.2f} s, others {others:.2f} s;"
            f" {ready_s:.0f} s to be whole, {time.monotonic() - began:.0f} s in all"
        )
