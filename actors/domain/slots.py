"""Which shard an order belongs to: the one place that knows the hash.

Orders fall into 256 slots for good, by their id alone; a shard is a range of slots. So the number
of shards may change, and no order and no waiting job is ever stored anew for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zlib import crc32

SLOTS: Final = 256
MAX_SHARDS: Final = 64
"""As many as may be asked for."""


def slot_of(order_id: str) -> int:
    """Return the slot of an order, from 0 to 255; the same in every release."""
    return crc32(order_id.encode()) % SLOTS


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` shards: the orders whose slots are at least `first` and below `end`."""

    index: int = 0
    count: int = 1
    version: int = 0
    """Of the map that it belongs to; 0 where any map of so many shards will do."""

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count <= SLOTS:
            raise ValueError(f"there is no shard {self.index} of {self.count}")

    @property
    def first(self) -> int:
        """Its first slot."""
        return -(-self.index * SLOTS // self.count)

    @property
    def end(self) -> int:
        """The first slot behind it."""
        return -(-(self.index + 1) * SLOTS // self.count)

    @property
    def whole(self) -> bool:
        """Whether all orders are in it."""
        return self.count == 1

    def has(self, order_id: str) -> bool:
        """Return whether an order belongs to it."""
        return self.whole or self.first <= slot_of(order_id) < self.end


WHOLE: Final = Shard()
"""The one shard of those who have one."""


@dataclass(frozen=True, slots=True)
class ShardMap:
    """Into how many shards the orders are cut; the version grows with each change of that."""

    count: int = 1
    version: int = 0
    planned: int | None = None
    """Into how many they are to be cut, as soon as nobody owns a shard of this map."""

    def of(self, order_id: str) -> int:
        """Return the index of an order's shard."""
        return slot_of(order_id) * self.count // SLOTS

    def all(self) -> tuple[Shard, ...]:
        """Return them in the order of their slots."""
        return tuple(Shard(index, self.count, self.version) for index in range(self.count))

    def includes(self, shard: Shard) -> bool:
        """Return whether a shard is one of this map's."""
        return shard.count == self.count and shard.version in (0, self.version)
