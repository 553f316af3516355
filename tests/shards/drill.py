"""A run: a fleet of shards under load, one fault after the other, and the books at the end."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.callers import Callers, Pace
from tests.chaos.drill import judged
from tests.chaos.figures import Figures, Hit
from tests.chaos.history import HistoryWriter
from tests.servers import ServerError
from tests.shards.scene import Blow, Fleet, Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    Faults = Mapping[str, Callable[[Scene[Fleet]], Awaitable[None]]]
    Say = Callable[[str], None]

_CALLERS: Final = 24
"""Of all shards together."""
_PACE: Final = Pace(rest_s=0.2, retry_s=0.1)
"""Leaves the processors to what starts and takes over most of the time."""


def run_drill(
    new_fleet: Callable[[Path], Fleet],
    faults: Faults[Fleet],
    names: Iterable[str],
    seed: int,
    say: Say = lambda _: None,
) -> Figures:
    """Have the `faults` of these names happen, one after the other; blocks until all is judged."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shards-drill-") as at:
        folder = Path(at)
        path = folder / "history.jsonl"
        with new_fleet(folder) as fleet:
            say(f"started in {time.monotonic() - began:.0f} s")
            with HistoryWriter(path) as history:
                scene = Scene(fleet, _crews(fleet, history, seed))
                asyncio.run(_perform(scene, faults, names, say))
            scene.mistakes += fleet.missing()
            for door in fleet.doors:
                door.stop()
            figures = judged(fleet.backdoor, fleet.orders, path)
    figures.fence_rejections = scene.fenced
    figures.mistakes += scene.mistakes
    figures.hits += [_hit(scene, blow) for blow in scene.blows]
    for crew in scene.crews:
        figures.unsettled += crew.unsettled
        figures.attempts += crew.codes.total()
    figures.seconds = time.monotonic() - began
    return figures


def _crews(fleet: Fleet, history: HistoryWriter, seed: int) -> list[Callers]:
    urls = [door.uri for door in fleet.doors]
    shards = fleet.shards.count
    pace = replace(_PACE, callers=_CALLERS // shards, roam=fleet.roam)
    return [
        Callers(urls, fleet.orders_of(shard), history, seed, pace, first=shard * pace.callers)
        for shard in range(shards)
    ]


def _hit(scene: Scene[Any], blow: Blow) -> Hit:
    """Return the gaps of a blow: where it hit no owner, that of all shards."""
    hit, others = (scene.gap_s(blow, hit=each) for each in (True, False))
    if hit is None:
        hit, others = others, None
    return Hit(blow.fault, blow.in_flight, hit or 0.0, None, others)


async def _perform(
    scene: Scene[Fleet], faults: Faults[Fleet], names: Iterable[str], say: Say
) -> None:
    try:
        for crew in scene.crews:
            crew.start()
        await scene.served()
        for name in names:
            await _happen(scene, faults, name, say)
        await asyncio.gather(*(crew.finish() for crew in scene.crews))
    finally:
        await asyncio.gather(*(crew.close() for crew in scene.crews))


async def _happen(scene: Scene[Fleet], faults: Faults[Fleet], name: str, say: Say) -> None:
    began, before = time.monotonic(), len(scene.blows)
    scene.fault = name
    ready_s = 0.0
    try:
        await scene.fleet.whole()
        ready_s = time.monotonic() - began
        await faults[name](scene)
    except (TimeoutError, ServerError) as error:
        scene.mistakes.append(f"{name}: {error}")
    for blow in scene.blows[before:]:
        # Of a fault that was broken off, as far as was seen.
        blow.until = blow.until or time.monotonic()
        hit = _hit(scene, blow)
        others = "" if hit.others_gap_s is None else f", others {hit.others_gap_s:.2f} s"
        say(
            f"{blow.fault}: {len(blow.owners)} owners, gap {hit.gap_s:.2f} s{others};"
            f" {ready_s:.0f} s to be whole, {time.monotonic() - began:.0f} s in all"
        )
