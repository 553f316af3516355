"""Where a node of these tests keeps its data, and what lies there before the first call."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis import Redis

from actors.store.sqlite.store import FILE_NAME
from tests.contract.backdoor import Backdoor, MongoBackdoor, SqliteBackdoor
from tests.servers import RedisServer
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.servers import MongoReplicaSet, MongoServer
    from tests.trace import Start

STORES: Final = ("sqlite", "replica-set")
OTHER_STORES: Final = ("standalone",)


@dataclass(frozen=True, slots=True)
class Place:
    """A node that is not started yet, and the way in behind its back."""

    store: str
    node: ServiceNode
    backdoor: Backdoor
    redis: RedisServer | None = None
    """Where the lease is, and nothing else; None where the kernel ends it with its holder."""

    async def open(self, start: Start) -> None:
        """Start the node, then put in the orders, as the main service would."""
        await self.node.started()
        await asyncio.to_thread(self._put, start)

    async def killed(self) -> None:
        """Kill the node, and have its lease end with it: the next one need not wait for that."""
        await self.node.killed()
        if self.redis is not None:
            with Redis.from_url(self.redis.uri) as client:
                client.flushall()

    def _put(self, start: Start) -> None:
        for material in start.materials:
            self.backdoor.put_material(material)
        for order in start.orders:
            self.backdoor.put_order(order)
        for entry in start.old_logs:
            self.backdoor.put_log(entry)


@contextmanager
def sqlite_place(folder: Path, environment: Mapping[str, str]) -> Iterator[Place]:
    """Take the embedded default: SQLite and the file lease."""
    node = ServiceNode(environment, folder)
    try:
        yield Place("sqlite", node, SqliteBackdoor(node.data_dir / FILE_NAME))
    finally:
        node.close()


@contextmanager
def mongo_place(
    store: str,
    server: MongoServer | MongoReplicaSet,
    database: str,
    folder: Path,
    environment: Mapping[str, str],
) -> Iterator[Place]:
    """Take a database in `server`; with the replica set goes a lease in a Redis of its own."""
    settings = {"MONGODB_URI": server.uri, "MONGODB_DB": database, **environment}
    with ExitStack() as undo:
        redis = None
        if store == "replica-set":
            redis = undo.enter_context(RedisServer(folder / "redis"))
            settings |= {"REDIS_HOST": redis.host, "REDIS_PORT": str(redis.port)}
        client = undo.enter_context(server.client())
        node = ServiceNode(settings, folder / "node")
        undo.callback(node.close)
        yield Place(store, node, MongoBackdoor(client, database), redis)
