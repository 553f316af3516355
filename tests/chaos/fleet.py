"""Node processes with servers of their own, and a wire that can fail from each to each."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final, Self

from redis import Redis
from redis.exceptions import RedisError

from actors.domain.job import JobState
from actors.store.schema import INBOX
from tests.chaos.bench import ENFORCED, bench_orders
from tests.chaos.controls import CONTROL_VARIABLE
from tests.chaos.points import FOLDER_VARIABLE, Points
from tests.contract.backdoor import MongoBackdoor
from tests.proxy import HOST, Wires
from tests.servers import MongoReplicaSet, RedisServer
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.proxy import Wire

DATABASE: Final = "chaos"
LEASE: Final = "plan_server:lease"
_POLL_S: Final = 0.05
_DEADLINE_S: Final = 100
_WAITING: Final = {"state": JobState.WAITING.value}
_ANSWER_S: Final = 0.5
_OK: Final = 200
_FIRST: Final = 0x6560A00000000000000B0000
NEW_ORDERS: Final = 0x6560A00000000000000C0000
NO_ORDERS: Final = 0x6560A00000000000000D0000


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How a fleet is made; times in seconds."""

    members: int = 1
    """Of the replica set. One is reached through wires that can fail; three directly, as the
    driver finds their own addresses."""
    lease_ttl_s: float = 1.0
    nodes: int = 2
    orders: int = 100
    control: str | None = None
    """The safeguard that the first node, which is the first owner, lacks."""
    request_timeout_s: float = 3.5


class ChaosNode(ServiceNode):
    """A node with points at which it can be hit."""

    module = "tests.chaos.node"

    def __init__(self, environment: Mapping[str, str], folder: Path, number: int) -> None:
        self.points = Points(folder / "points")
        self.points.disarm()
        super().__init__({**environment, FOLDER_VARIABLE: str(folder / "points")}, folder)
        self.number = number

    @property
    def tight(self) -> bool:
        """Whether it keeps hardly any actor, so that all of them come and go."""
        return self.number % 2 == 1

    def owns(self) -> bool:
        """Return whether it says that it serves updates as the owner."""
        if not self.running:
            return False
        connection = HTTPConnection(self.host, self.port, timeout=_ANSWER_S)
        try:
            connection.request("GET", "/readyz")
            reply = connection.getresponse()
            return reply.status == _OK and json.loads(reply.read())["role"] == "owner"
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def terminate(self) -> None:
        """Ask it to end, and return at once."""
        self._signal(signal.SIGTERM)

    def wait_ended(self) -> int:
        """Wait until it has ended; give its exit code."""
        code = self._started().wait(_DEADLINE_S)
        self._forget()
        return code


class Fleet:
    """All processes of a run; as a context manager, started inside and gone after."""

    def __init__(self, folder: Path, options: FleetOptions) -> None:
        self.options = options
        self.folder = folder
        self.mongo = MongoReplicaSet(folder / "mongo", members=options.members, cache_gb=0.25)
        self.redis = RedisServer(folder / "redis")
        self.wires = Wires()
        self.nodes: list[ChaosNode] = []
        self.to_redis: list[Wire] = []
        self.to_mongo: list[Wire] = []
        """Of each node, then of the movers; empty with three members."""
        self.to_node: list[Wire] = []
        """What other nodes reach this one by."""
        self.orders: list[dict[str, Any]] = [
            _order(_FIRST + each) for each in range(options.orders)
        ]
        self.bench = [] if options.control else bench_orders()
        """Of which the guards are enforced; a control breaks one thing at a time."""
        self._undo = ExitStack()

    # -- beginning and end -------------------------------------------------------------------

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.mongo.__enter__()
            undo.callback(self.mongo.close)
            self.redis.__enter__()
            undo.callback(self.redis.close)
            self.wires.__enter__()
            undo.callback(self.wires.__exit__)
            client = undo.enter_context(self.mongo.client())
            self.backdoor = MongoBackdoor(client, DATABASE)
            for number in range(self.options.nodes):
                self.nodes.append(self._make_node(number))
                undo.callback(self.nodes[-1].close)
            self.movers_uri = self._mongo_uri()
            for order in (*self.orders, *self.bench):
                self.backdoor.put_order(order)
            for node in self.nodes:
                node.start()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def stop_nodes(self) -> None:
        """Stop all nodes in good order: no outbox holds anything after."""
        for node in self.nodes:
            if node.running:
                node.stop()

    def _make_node(self, number: int) -> ChaosNode:
        self.to_redis.append(self.wires.to(self.redis.port))
        environment = {
            "NODE_ID": f"node-{number}",
            "LEASE_TTL": f"{self.options.lease_ttl_s:g}",
            "REQUEST_TIMEOUT_S": f"{self.options.request_timeout_s:g}",
            "REDIS_HOST": HOST,
            "REDIS_PORT": str(self.to_redis[number].port),
            "MONGODB_URI": self._mongo_uri(),
            "MONGODB_DB": DATABASE,
            # What a control leaves behind can't be drained.
            "SHUTDOWN_S": "2" if self.options.control else "10",
            # One node is enough: the other one still sees what is amiss.
            CONTROL_VARIABLE: (self.options.control or "") if number == 0 else "",
        }
        node = ChaosNode(environment, self.folder / f"node-{number}", number)
        if self.bench:
            node.environment |= ENFORCED
        if node.tight:
            node.environment |= {"ACTOR_IDLE_S": "0.1", "MAX_ACTORS": "20"}
        self.to_node.append(self.wires.to(node.port))
        node.environment["NODE_URL"] = f"http://{HOST}:{self.to_node[number].port}"
        return node

    def _mongo_uri(self) -> str:
        if self.options.members > 1:
            return self.mongo.uri
        wire = self.wires.to(self.mongo.members[0].port)
        self.to_mongo.append(wire)
        return f"mongodb://{HOST}:{wire.port}/?directConnection=true"

    # -- who owns ----------------------------------------------------------------------------

    def holder(self) -> int | None:
        """Return the number of the node that holds the lease now."""
        try:
            with Redis(host=HOST, port=self.redis.port, socket_timeout=1) as redis:
                found: Any = redis.get(LEASE)
        except RedisError:
            return None
        return int(str(json.loads(found)["node"]).rpartition("-")[2]) if found else None

    async def owner(self, *, but: int | None = None) -> ChaosNode:
        """Wait for an owner that serves, other than `but`; raises TimeoutError."""
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            for node in self.nodes:
                if node.number != but and await asyncio.to_thread(node.owns):
                    return node
            await asyncio.sleep(_POLL_S)
        raise TimeoutError(f"no owner in {_DEADLINE_S} s")

    def mend(self) -> None:
        """Make all whole again, whatever was left broken."""
        for wire in (*self.to_redis, *self.to_mongo, *self.to_node):
            wire.passes()
        for server in (*self.mongo.members, self.redis, *self.nodes):
            if server.running:
                server.resume()
        for server in (*self.mongo.members, self.redis):
            if not server.running:
                server.start()
        self.mongo.primary()
        for node in self.nodes:
            node.points.disarm()
            if not node.running:
                node.launch()

    async def emptied(self) -> None:
        """Wait until nothing waits in the store's inbox; raises TimeoutError."""
        inbox = self.backdoor.database[INBOX]
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                if not await asyncio.to_thread(inbox.count_documents, _WAITING):
                    return
                await asyncio.sleep(_POLL_S)

    async def settled(self) -> ChaosNode:
        """Wait until all nodes run and say that updates can be sent to them; give the owner."""
        for node in self.nodes:
            await asyncio.to_thread(node.wait_until_ready)
        return await self.owner()


def orders_from(first: int, count: int) -> list[dict[str, Any]]:
    """Make orders that are not there yet."""
    return [_order(first + each) for each in range(count)]


def _order(number: int) -> dict[str, Any]:
    # Plans of several sizes: some orders are completed under way, and unbound again.
    plan = (20, 300, 100_000)[number % 3]
    return {
        "_id": f"{number:024x}",
        "workOrderNo": f"CHAOS-{number & 0xFFFFFF:06X}",
        "status": "IN_PROGRESS",
        "planQuantity": plan,
        "planProductionQuantity": plan,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
    }
