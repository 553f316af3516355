"""The port of the map of shards, and of the nodes that share them: beside the orders they own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from actors.store.port import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.slots import Shard, ShardMap


@dataclass(frozen=True, slots=True)
class Member:
    """A node that shares the shards, and where it is reached."""

    node: str
    url: str
    follows: bool = False
    """Whether it goes by the stored number of shards, and need not be stopped for another."""


class Members(Protocol):
    """The map of shards, and the nodes. All coroutines may raise `StoreUnavailable`."""

    async def read(self) -> ShardMap:
        """Return the map as it is stored; one shard where none is."""
        ...

    async def move(self, was: ShardMap, count: int) -> bool:
        """Cut the orders into `count` shards, unless the map is of another version than it `was`.

        Nor are they where it `was` planned, and another number is planned now. From then on no
        owner under the old map changes a waiting or failed job, or a pause; nor does any claim an
        epoch. Raises `OutcomeUnknown`.
        """
        ...

    async def plan(self, was: ShardMap, count: int) -> bool:
        """Have the nodes `move` the map as soon as they own nothing, unless it is not as it `was`.

        From then on nobody claims an epoch under this map. Raises `OutcomeUnknown`.
        """
        ...

    async def beat(self, me: Member, within_s: float) -> Sequence[Member]:
        """Say that this node is there; return all that said so `within_s`, by node, with it.

        Raises `OutcomeUnknown`.
        """
        ...

    async def leave(self, me: Member) -> None:
        """Say that this node is there no more. Raises `OutcomeUnknown`."""
        ...


class ShardedStore(Store, Protocol):
    """A store that can be cut into shards: each has an owner, an epoch and waiting jobs alone."""

    @property
    def shard_map(self) -> Members:
        """Return the map, once the store is open."""
        ...

    def part(self, shard: Shard) -> Store:
        """Return a store of one shard's orders, over this one's connections."""
        ...
