"""Several kinds of faults at the same time, until each has come so often.

Nodes are killed by one task and sent to sleep by another, while a third has the servers fail. A
node is in the hands of one of them at a time, and one node at least is in nobody's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from tests.chaos.callers import Pace
from tests.chaos.faults import processes, servers
from tests.chaos.movers import Lives
from tests.chaos.points import Action, Point
from tests.chaos.stage import Strike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tests.chaos.fleet import ChaosNode
    from tests.chaos.stage import Stage

ROUND: Final = {
    "kills": 10,
    "pauses and stalls": 10,
    "step-downs": 1,
    "flushes": 1,
    "clock jumps of Redis": 1,
    "clock jumps of a node": 1,
}
"""How often each kind of fault comes in one round."""
PACE: Final = Pace(rest_s=0.25, retry_s=0.2)
"""Leaves the processors to nodes, which start and take over all the while."""
MOVERS: Final = Lives(longest_s=30.0, rest_s=15.0)
"""Long enough for the batches of a log that has grown for an hour."""
_LANES: Final = (
    ("kills",),
    ("pauses and stalls",),
    ("step-downs", "flushes", "clock jumps of Redis", "clock jumps of a node"),
)
_KILLED_AT: Final = (None, Point.BEFORE_CAS, Point.AFTER_CAS, Point.BEFORE_LOG)
_OWNERS_SHARE: Final = 0.65
"""Of the nodes that are hit; the others are any."""
_LONGEST_SLEEP: Final = 2.5
"""In leases."""
_CALM: Final = 10
"""Final answers after a fault, before the next one of its lane."""
_AHEAD: Final = 2
"""Faults by which a lane may be ahead of the others."""
_DEADLINE_S: Final = 60
_POLL_S: Final = 0.02
_TOLD: Final = 2000


class Barrage:
    """Faults in several lanes; `done` counts them by kind."""

    def __init__(self, stage: Stage, rounds: int, until: float, say: Callable[[str], None]) -> None:
        """Let none begin after `until`, a moment of the monotonic clock."""
        self.done: Counter[str] = Counter()
        self._stage, self._until, self._say = stage, until, say
        self._goals = {kind: count * rounds for kind, count in ROUND.items()}
        self._held: set[int] = set()
        self._faults: dict[str, Callable[[], Awaitable[None]]] = {
            "kills": self._kill,
            "pauses and stalls": self._pause,
            "step-downs": lambda: servers.step_down(stage),
            "flushes": lambda: servers.flush_redis(stage),
            "clock jumps of Redis": self._jump_redis_clock,
            "clock jumps of a node": lambda: processes.jump_node_clock(stage),
        }

    async def run(self) -> None:
        """Return when all have come, or the time is up, and all is whole again."""
        async with asyncio.TaskGroup() as group:
            for kinds in _LANES:
                group.create_task(self._go_through(kinds))
        await asyncio.to_thread(self._stage.fleet.mend)

    async def _go_through(self, kinds: Sequence[str]) -> None:
        while time.monotonic() < self._until and self._progress(kinds) < 1:
            if self._ahead(kinds):
                await asyncio.sleep(_POLL_S)
                continue
            kind = min(kinds, key=lambda each: self.done[each] / self._goals[each])
            began, before = time.monotonic(), len(self._stage.strikes)
            try:
                await self._faults[kind]()
                await self._stage.callers.served(_CALM)
            except Exception as error:  # noqa: BLE001 -- told in the end; the others go on
                self._stage.mistakes.append(f"{kind}: {error!r:.{_TOLD}}")
            self.done[kind] += 1
            for strike in self._stage.strikes[before:]:
                strike.until = time.monotonic()
            took_s = time.monotonic() - began
            self._say(f"{kind}: {self.done[kind]} of {self._goals[kind]}, {took_s:.1f} s")

    def _progress(self, kinds: Sequence[str]) -> float:
        return sum(self.done[each] for each in kinds) / self._goal(kinds)

    def _goal(self, kinds: Sequence[str]) -> int:
        return sum(self._goals[each] for each in kinds)

    def _ahead(self, kinds: Sequence[str]) -> bool:
        """Return whether another lane has to catch up first, so that all come together."""
        slowest = min(map(self._progress, _LANES))
        return self._progress(kinds) > slowest + _AHEAD / self._goal(kinds)

    # -- faults of nodes ---------------------------------------------------------------------

    async def _kill(self) -> None:
        owner, rng = self._draw_owner(), self._stage.rng
        async with self._hold(owner=owner) as node:
            point = rng.choice(_KILLED_AT) if owner else Point.TAKING_OVER
            if point is not None and await self._comes_to(node, point, Action.KILL):
                self._note("kill_in_take_over" if not owner else f"kill_{point.value}")
                await self._stage.ended(node)
                return
            name = "kill_owner" if owner else "kill_standby"
            await self._stage.strike(name, node.kill, node.number)

    async def _pause(self) -> None:
        owner, rng = self._draw_owner(), self._stage.rng
        seconds = rng.uniform(0.1, _LONGEST_SLEEP) * self._stage.ttl_s
        how = rng.choice((None, Action.STOP, Action.STALL)) if owner else None
        async with self._hold(owner=owner) as node:
            if how and await self._comes_to(node, Point.BEFORE_CAS, how, seconds):
                self._note("pause_before_cas" if how is Action.STOP else "stall_owner")
            else:
                name = "pause_owner" if owner else "pause_standby"
                await self._stage.strike(name, node.pause, node.number)
            await asyncio.sleep(seconds)

    async def _jump_redis_clock(self) -> None:
        if self._stage.rng.random() < 0.5:
            await servers.set_redis_clock_forward(self._stage)
            return
        async with self._hold(owner=True) as node:
            await servers.kill_as_redis_clock_goes_back(self._stage, node)
            await self._stage.fleet.owner(but=node.number)

    def _draw_owner(self) -> bool:
        return self._stage.rng.random() < _OWNERS_SHARE

    def _note(self, fault: str) -> None:
        self._stage.strikes.append(Strike(fault, max(self._stage.callers.in_flight, 1)))

    async def _comes_to(
        self, node: ChaosNode, point: Point, action: Action, seconds: float = 0.0
    ) -> bool:
        """Have it hit itself there; False when it doesn't come to it within its lease."""
        node.points.arm(point, action, seconds)
        deadline = time.monotonic() + self._stage.ttl_s
        while not node.points.taken(point):
            if time.monotonic() > deadline:
                return not node.points.withdraw(point)
            await asyncio.sleep(_POLL_S)
        return True

    @asynccontextmanager
    async def _hold(self, *, owner: bool) -> AsyncIterator[ChaosNode]:
        """Have a node to oneself, the owner or any other; it runs again after."""
        node = await self._take(owner=owner)
        try:
            if not node.running:
                self._say(f"node-{node.number} had ended by itself")
                await asyncio.to_thread(node.launch)
            yield node
        finally:
            node.points.disarm()
            if node.running:
                node.resume()
            else:
                await asyncio.to_thread(node.launch)
            self._held.discard(node.number)

    async def _take(self, *, owner: bool) -> ChaosNode:
        nodes = self._stage.fleet.nodes
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                free = [each for each in nodes if each.number not in self._held]
                asked = [asyncio.to_thread(each.owns) for each in free]
                owns = dict(zip(free, await asyncio.gather(*asked), strict=True))
                fit = [each for each in free if owns[each] is owner]
                node = self._stage.rng.choice(fit) if fit else None
                # Meanwhile another lane may have taken it.
                if node and node.number not in self._held and len(self._held) + 1 < len(nodes):
                    self._held.add(node.number)
                    return node
                await asyncio.sleep(_POLL_S)
