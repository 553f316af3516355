"""What fleets of shards have in common: MongoDB, Redis, orders, and who owns which shard."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from redis import Redis

from actors.domain.model import WorkOrderId
from actors.domain.slots import ShardMap
from tests.chaos.fleet import DATABASE, orders_from
from tests.contract.backdoor import MongoBackdoor
from tests.proxy import HOST, Wires
from tests.servers import MongoReplicaSet, RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.nodes import ServiceNode

_DEADLINE_S: Final = 300
_POLL_S: Final = 0.05


class ShardFleet(ABC):
    """All of it; as a context manager, started inside and gone after."""

    first_order: int
    """The id of the first order, as a number; the others follow it."""
    roam: bool
    """Whether each caller calls all doors in turn; else one, until that does not answer."""

    def __init__(self, folder: Path, shards: int, ttl_s: float, orders: int = 100) -> None:
        self.folder = folder
        self.shards = ShardMap(shards)
        self.ttl_s = ttl_s
        self.mongo = MongoReplicaSet(folder / "mongo", cache_gb=0.25)
        self.redis = RedisServer(folder / "redis")
        self.wires = Wires()
        self.doors: list[ServiceNode] = []
        """What callers call."""
        self.orders = orders_from(self.first_order, orders)
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            for server in (self.mongo, self.redis):
                undo.enter_context(server)
            self.wires.__enter__()
            undo.callback(self.wires.__exit__)
            self.backdoor = MongoBackdoor(undo.enter_context(self.mongo.client()), DATABASE)
            for order in self.orders:
                self.backdoor.put_order(order)
            self._start(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @abstractmethod
    def _start(self, undo: ExitStack) -> None:
        """Start what serves, and have `undo` end it."""

    @abstractmethod
    def is_whole(self) -> bool:
        """Return whether all is there that should be, and each shard has an owner."""

    @abstractmethod
    def missing(self) -> list[str]:
        """Return what should be told by now and is not, as sentences."""

    def settings(self) -> dict[str, str]:
        """Return what all processes are given."""
        return {
            "LEASE_TTL": f"{self.ttl_s:g}",
            "REDIS_HOST": HOST,
            "REDIS_PORT": str(self.redis.port),
            "MONGODB_URI": self.mongo.uri,
            "MONGODB_DB": DATABASE,
            "REQUEST_TIMEOUT_S": "5",
            "SHUTDOWN_S": "10",
        }

    def orders_of(self, shard: int) -> list[str]:
        """Return the ids of a shard's orders."""
        ids = (str(each["_id"]) for each in self.orders)
        return [each for each in ids if self.shards.of(WorkOrderId(each)) == shard]

    # -- who owns ----------------------------------------------------------------------------

    def holder(self, shard: int) -> str:
        """Return the name of what holds the lease of a shard; empty without one."""
        return self._lease(shard)["node"].partition(".")[0]

    def term(self, shard: int) -> str:
        """Return what no other term of a shard has, whoever's it is; empty without one."""
        return self._lease(shard)["token"]

    def _lease(self, shard: int) -> dict[str, str]:
        with Redis(host=HOST, port=self.redis.port, socket_timeout=1) as redis:
            found: Any = redis.get(f"plan_server:shard:{shard}:lease")
        return json.loads(found) if found else {"node": "", "token": ""}

    def holders(self) -> list[str]:
        """Return the holder of each shard."""
        return [self.holder(shard) for shard in range(self.shards.count)]

    # -- what is waited for --------------------------------------------------------------------

    async def until(
        self, condition: Callable[[], bool], what: str, within_s: float = _DEADLINE_S
    ) -> None:
        """Wait until something is so; raises TimeoutError."""
        end = time.monotonic() + within_s
        while not await asyncio.to_thread(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not in {within_s} s")
            await asyncio.sleep(_POLL_S)

    async def taken_over(self, shard: int, before: str) -> None:
        """Wait until a shard has another term than `before`.

        That of the same name, too: a process that was killed is started again, and may have the
        lease before its spare.
        """
        await self.until(
            lambda: self.term(shard) not in ("", before), f"shard {shard} has another term"
        )

    async def whole(self) -> None:
        """Wait until all is there, and each shard has an owner."""
        await self.until(self.is_whole, "all is there")
