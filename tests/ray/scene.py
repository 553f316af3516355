"""A run as its faults see it: the fleet, callers of each shard, a place to note what was hit."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Final

from tests.chaos.stage import longest_gap_s
from tests.ray.fleet import SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.chaos.callers import Callers
    from tests.ray.fleet import RayFleet
    from tests.ray.machine import Machine

CALM: Final = 40
"""Final answers of each shard after a fault, before anything else."""
_SERVED_WITHIN_S: Final = 100.0


@dataclass(slots=True)
class Blow:
    """One thing that was hit, and the owners that were lost by it, by shard."""

    fault: str
    owners: dict[int, str]
    in_flight: int
    at: float = field(default_factory=time.monotonic)
    until: float = 0.0
    """When all shards had served again for a while."""


@dataclass(slots=True)
class Scene:
    """`crews` has the callers of each shard, who do not wait for the other's."""

    fleet: RayFleet
    crews: Sequence[Callers]
    fault: str = ""
    """What is at work now."""
    blows: list[Blow] = field(default_factory=list)
    fenced: int = 0
    """Owners that the store kept from the orders after they had lost their lease unknowingly."""
    mistakes: list[str] = field(default_factory=list)
    _shards: Iterator[int] = field(default_factory=lambda: cycle(range(SHARDS)))

    def next_shard(self) -> int:
        """Return the shard whose turn it is to be hit."""
        return next(self._shards)

    def owned_on(self, machine: Machine) -> list[int]:
        """Return the shards whose owners are on a machine."""
        owners = map(self.fleet.holder, range(SHARDS))
        return [n for n, each in enumerate(owners) if self.fleet.machine_of(each) is machine]

    @contextmanager
    def strike(self, shards: Sequence[int]) -> Iterator[list[str]]:
        """Note what is hit inside: the owners of these shards, which it gives by name."""
        owners = {shard: self.fleet.holder(shard) for shard in shards}
        self.blows.append(Blow(self.fault, owners, sum(each.in_flight for each in self.crews)))
        yield list(owners.values())

    async def served(self) -> None:
        """Wait until all shards have given `CALM` more final answers."""
        await asyncio.gather(*(each.served(CALM, _SERVED_WITHIN_S) for each in self.crews))

    async def recovers(self) -> None:
        """Wait until others own what was hit last, and all shards serve."""
        blow = self.blows[-1]
        for shard, owner in blow.owners.items():
            await self.fleet.taken_over(shard, owner)
        await self.served()
        blow.until = time.monotonic()

    def gap_s(self, blow: Blow, *, hit: bool) -> float:
        """Return the longest time without a final answer of a shard that was hit, or was not."""
        return max(
            (
                longest_gap_s(crew.served_at, blow.at, blow.until)
                for shard, crew in enumerate(self.crews)
                if (shard in blow.owners) is hit
            ),
            default=0.0,
        )
