"""A run as its faults see it: the fleet, callers of each shard, a place to note what was hit."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from tests.chaos.stage import longest_gap_s
from tests.shards.fleet import ShardFleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.chaos.callers import Callers

CALM: Final = 40
"""Final answers of each shard after a fault, before anything else."""
_SERVED_WITHIN_S: Final = 300.0

Fleet = TypeVar("Fleet", bound=ShardFleet)


@dataclass(slots=True)
class Blow:
    """One thing that was hit, and the owners that were lost by it, by shard."""

    fault: str
    owners: dict[int, str]
    terms: dict[int, str]
    in_flight: int
    at: float = field(default_factory=time.monotonic)
    until: float = 0.0
    """When all shards had served again for a while."""


@dataclass(slots=True)
class Scene(Generic[Fleet]):
    """`crews` has the callers of each shard, who do not wait for the other's."""

    fleet: Fleet
    crews: Sequence[Callers]
    fault: str = ""
    """What is at work now."""
    blows: list[Blow] = field(default_factory=list)
    fenced: int = 0
    """Owners that the store kept from the orders after they had lost their lease unknowingly."""
    mistakes: list[str] = field(default_factory=list)
    _turns: Iterator[int] = field(default_factory=count)

    def next_of(self, number: int) -> int:
        """Return which one of so many has its turn to be hit."""
        return next(self._turns) % number

    @contextmanager
    def strike(self, shards: Sequence[int]) -> Iterator[list[str]]:
        """Note what is hit inside: the owners of these shards, which it gives by name."""
        owners = {shard: self.fleet.holder(shard) for shard in shards}
        terms = {shard: self.fleet.term(shard) for shard in shards}
        in_flight = sum(each.in_flight for each in self.crews)
        self.blows.append(Blow(self.fault, owners, terms, in_flight))
        yield list(owners.values())

    async def served(self) -> None:
        """Wait until all shards have given `CALM` more final answers."""
        await asyncio.gather(*(each.served(CALM, _SERVED_WITHIN_S) for each in self.crews))

    async def recovers(self) -> None:
        """Wait until others own what was hit last, and all shards serve."""
        for shard, term in self.blows[-1].terms.items():
            await self.fleet.taken_over(shard, term)
        await self.calms()

    async def calms(self) -> None:
        """Wait until all shards serve: that is the end of what was hit last."""
        await self.served()
        self.blows[-1].until = time.monotonic()

    def gap_s(self, blow: Blow, *, hit: bool) -> float | None:
        """Return the longest time without a final answer of a shard that was hit, or was not.

        None where there was none such.
        """
        return max(
            (
                longest_gap_s(crew.served_at, blow.at, blow.until)
                for shard, crew in enumerate(self.crews)
                if (shard in blow.owners) is hit
            ),
            default=None,
        )
