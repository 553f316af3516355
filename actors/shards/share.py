"""How many of the shards a node should own, and its leave to take them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOBODYS_TTLS: Final = 3.0
"""How long a shard is left to those whose share it is, before anybody takes it."""
_SETTLED_TTLS: Final = 12.0
"""How long what was taken beyond the share is kept: who left it may be unable to take it."""


def fair_share(shards: int, nodes: Sequence[str], me: str) -> int:
    """Return how many shards are `me`'s share; all shares together are `shards`.

    `nodes` are those that are there, in the order that all of them see.
    """
    if me not in nodes:
        return shards
    each, over = divmod(shards, len(nodes))
    return each + (nodes.index(me) < over)


class Share:
    """The shards that a node owns or tries for, of the `fair` number that it should.

    Shards that nobody owns for long are taken all the same, however many that makes.
    """

    def __init__(self, ttl_s: float) -> None:
        self.fair = 0
        self._ttl_s = ttl_s
        self._taken: set[int] = set()
        self._free_since: dict[int, float] = {}
        self._keeps_until = self._left_until = 0.0

    def note(self, free: set[int]) -> None:
        """Note which shards nobody owns now."""
        now = time.monotonic()
        self._free_since = {index: self._free_since.get(index, now) for index in free}

    def take(self, index: int) -> bool:
        """Have leave to take a shard, until it is given back."""
        if index in self._taken:
            return True
        if time.monotonic() < self._left_until:
            return False
        if len(self._taken) < self.fair or self._is_nobodys(index):
            self._taken.add(index)
            return True
        return False

    def give_back(self, index: int) -> None:
        """Own a shard no more."""
        self._taken.discard(index)

    def leave(self) -> None:
        """Give no more leave for as long as others need to take what is given up."""
        self._left_until = time.monotonic() + self._ttl_s

    def close(self) -> None:
        """Give no more leave."""
        self.fair = 0
        self._free_since = {}

    def over(self, owned: int) -> int:
        """Return how many of `owned` shards are for other nodes to take, now."""
        return 0 if time.monotonic() < self._keeps_until else max(0, owned - self.fair)

    def _is_nobodys(self, index: int) -> bool:
        now = time.monotonic()
        if now - self._free_since.get(index, now) < _NOBODYS_TTLS * self._ttl_s:
            return False
        self._keeps_until = now + _SETTLED_TTLS * self._ttl_s
        return True


class ShardPermit:
    """Leave to take one shard; implements `actors.node.options.Permit`."""

    def __init__(self, share: Share, index: int) -> None:
        self._share, self._index = share, index

    def take(self) -> bool:
        """Have leave, until it is given back."""
        return self._share.take(self._index)

    def give_back(self) -> None:
        """Own the shard no more."""
        self._share.give_back(self._index)
