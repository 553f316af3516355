"""Several things fail at the same time, at random: what no list of single faults has."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from tests.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.stage import Stage
    from tests.proxy import Wire
    from tests.servers import ServerProcess

_AT_ONCE = 3
_STORM_S = 12
_SHORT_STORM_S = 4


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What breaks one thing, and what mends it. Both block."""

    target: object
    begin: Callable[[], object]
    end: Callable[[], object]


async def storm(stage: Stage) -> None:
    """Let three things at a time fail, for moments of random length, and mend all at the end."""
    await stage.strike("storm", lambda: None)
    until = time.monotonic() + (_SHORT_STORM_S if stage.short else _STORM_S)
    busy: set[int] = set()
    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(_make_trouble(stage, until, busy))
    await asyncio.to_thread(stage.fleet.mend)


async def _make_trouble(stage: Stage, until: float, busy: set[int]) -> None:
    while time.monotonic() < until:
        trouble = stage.rng.choice(_troubles(stage))
        if id(trouble.target) in busy:
            await asyncio.sleep(0.01)
            continue
        busy.add(id(trouble.target))
        # What it needs may be broken as well: then it stays broken until the end.
        with suppress(ServerError, PyMongoError, OSError):
            await asyncio.to_thread(trouble.begin)
            await asyncio.sleep(stage.rng.uniform(0.05, 2) * stage.ttl_s)
            await asyncio.to_thread(trouble.end)
        busy.discard(id(trouble.target))


def _troubles(stage: Stage) -> list[_Trouble]:
    fleet = stage.fleet
    servers = (fleet.redis, *fleet.mongo.members)
    found = [
        *(_Trouble(each, each.kill, _unless_running(each, each.launch)) for each in fleet.nodes),
        *(_Trouble(each, each.kill, _unless_running(each, each.start)) for each in servers),
        *(_Trouble(each, *_sleep(each)) for each in (*fleet.nodes, *servers)),
    ]
    for wire in (*fleet.to_redis, *fleet.to_mongo, *fleet.to_node):
        found += [_Trouble(wire, weather, wire.passes) for weather in _weathers(wire)]
    if fleet.options.members > 1:
        found.append(_Trouble(fleet.mongo, lambda: fleet.mongo.step_down(1), lambda: None))
    return found


def _sleep(server: ServerProcess) -> tuple[Callable[[], None], Callable[[], None]]:
    def begin() -> None:
        if server.running:
            server.pause()

    def end() -> None:
        if server.running:
            server.resume()

    return begin, end


def _unless_running(server: ServerProcess, start: Callable[[], None]) -> Callable[[], None]:
    def begin() -> None:
        if not server.running:
            start()

    return begin


def _weathers(wire: Wire) -> list[Callable[[], None]]:
    return [
        wire.cut,
        wire.swallow,
        wire.drop_replies,
        wire.hold_requests,
        wire.hold_replies,
        lambda: wire.delay(requests_s=0.05, replies_s=0.05),
    ]
