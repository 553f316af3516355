"""What a fault is given: the fleet, the callers, and a place to note what it did."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.chaos.callers import Callers
    from tests.chaos.fleet import ChaosNode, Fleet
    from tests.chaos.points import Action, Point

_POINT_DEADLINE_S = 100
_LOOK_S = 1


@dataclass(slots=True)
class Strike:
    """One fault that was injected."""

    fault: str
    in_flight: int
    at: float = field(default_factory=time.monotonic)
    over_at: float | None = None
    """When what was broken was whole again, where that is a matter of its own."""
    until: float = 0.0
    """When service had been normal again for a while."""


@dataclass(slots=True)
class Stage:
    """A run as its faults see it."""

    fleet: Fleet
    callers: Callers
    seed: int
    short: bool = False
    strikes: list[Strike] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    """What a fault found wrong by itself, such as an answer that should have been 404."""
    moved: Counter[str] = field(default_factory=Counter)
    """Entries that the movers were told of."""
    bench: Bench = field(default_factory=lambda: Bench([], [], 0))
    rng: Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)  # noqa: S311 -- a drill, not a secret

    @property
    def ttl_s(self) -> float:
        return self.fleet.options.lease_ttl_s

    async def strike(
        self, fault: str, hit: Callable[[], object], node: int | None = None
    ) -> Strike:
        """Hit while requests are in flight (at `node`, else anywhere), and note how many."""
        await asyncio.sleep(self.rng.uniform(0, 0.2))

        def in_flight() -> int:
            return self.callers.in_flight if node is None else self.callers.open_at[node]

        await self.callers.until(lambda: in_flight() > 0, "requests in flight")
        strike = Strike(fault, in_flight())
        hit()
        self.strikes.append(strike)
        return strike

    async def strike_owner_at(
        self, fault: str, point: Point, action: Action, seconds: float = 0.0
    ) -> ChaosNode:
        """Let the owner come to that point, and note how many requests were in flight then."""
        owner = await self.bring_owner_to(point, action, seconds)
        self.strikes.append(Strike(fault, max(self.callers.in_flight, 1)))
        return owner

    async def bring_owner_to(self, point: Point, action: Action, seconds: float = 0.0) -> ChaosNode:
        """Let the owner come to that point, and give the node that did; raises TimeoutError.

        A node that loses its lease while the point waits for it may never come to it again: the
        point follows the ownership.
        """
        deadline = time.monotonic() + _POINT_DEADLINE_S
        armed = await self.fleet.owner()
        armed.points.arm(point, action, seconds)
        while not await self._comes_to(point, armed):
            if time.monotonic() > deadline:
                armed.points.disarm()
                raise TimeoutError(f"no owner came to {point.value} in {_POINT_DEADLINE_S} s")
            owner = await self.fleet.owner()
            if owner is armed:
                continue
            if not armed.points.withdraw(point):
                break  # it came to it just now
            armed = owner
            armed.points.arm(point, action, seconds)
        return armed

    async def _comes_to(self, point: Point, node: ChaosNode) -> bool:
        try:
            await self.callers.until(lambda: node.points.taken(point), point.value, _LOOK_S)
        except TimeoutError:
            return False
        return True

    async def ended(self, node: ChaosNode) -> None:
        """Wait until a node that hit itself is gone."""
        await asyncio.to_thread(node.wait_ended)

    async def restart(self, node: ChaosNode) -> None:
        """Start a node that has ended; returns when it takes updates."""
        node.points.disarm()
        await asyncio.to_thread(node.start)

    def longest_gap_s(self, since: float, until: float) -> float:
        """Return the longest time without a final answer between two moments."""
        return longest_gap_s(self.callers.served_at, since, until)

    def resumed_after_s(self, moment: float) -> float:
        """Return how long after a moment the first final answer came."""
        served = self.callers.served_at
        place = bisect_left(served, moment)
        return served[place] - moment if place < len(served) else float("inf")


def longest_gap_s(served_at: Sequence[float], since: float, until: float) -> float:
    """Return the longest time without one of these ordered moments between two moments."""
    times = served_at[bisect_left(served_at, since) : bisect_left(served_at, until)]
    return max(b - a for a, b in pairwise([since, *times, until]))
