"""A Ray cluster of three machines on one, two front doors, MongoDB and Redis; each can be hit."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from redis import Redis

from actors.domain.model import WorkOrderId
from actors.domain.slots import ShardMap
from tests.chaos.fleet import DATABASE, orders_from
from tests.contract.backdoor import MongoBackdoor
from tests.proxy import HOST, Wires
from tests.ray.machine import Machine
from tests.servers import MongoReplicaSet, RedisServer
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHARDS: Final = 2
TTL_S: Final = 3.0
_FIRST: Final = 0x6560A00000000000000E0000
_DEADLINE_S: Final = 100
_POLL_S: Final = 0.05
_PRIVATE: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    # Keeps all of it on the loopback.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # As scripts/ray-head.sh has it: a machine is given up within seconds.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}


class RayFleet:
    """All of it; as a context manager, started inside and gone after."""

    def __init__(self, folder: Path, orders: int = 100) -> None:
        self.folder = folder
        self.mongo = MongoReplicaSet(folder / "mongo", cache_gb=0.25)
        self.redis = RedisServer(folder / "redis")
        self.wires = Wires()
        self.machines: list[Machine] = []
        self.doors: list[ServiceNode] = []
        self.orders = orders_from(_FIRST, orders)
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
            self._start_cluster(undo)
            for number in range(2):
                self.doors.append(self._door(number))
                undo.callback(self.doors[-1].close)
                self.doors[-1].start()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _settings(self) -> dict[str, str]:
        return {
            "ACTOR_ENGINE": "ray",
            "SHARDS": str(SHARDS),
            "LEASE_TTL": f"{TTL_S:g}",
            "REDIS_HOST": HOST,
            "REDIS_PORT": str(self.redis.port),
            "MONGODB_URI": self.mongo.uri,
            "MONGODB_DB": DATABASE,
            "REQUEST_TIMEOUT_S": "5",
            "SHUTDOWN_S": "10",
        }

    def _start_cluster(self, undo: ExitStack) -> None:
        # Ray's sockets need a short path, and files of its own.
        files = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        undo.callback(shutil.rmtree, files, ignore_errors=True)
        # For good: Ray reads it once in a process.
        os.environ.update(_PRIVATE)
        os.environ["RAY_TMPDIR"] = files
        # What the head knows outlasts it.
        os.environ["RAY_REDIS_ADDRESS"] = f"{HOST}:{self.redis.port}"
        from ray.cluster_utils import Cluster  # noqa: PLC0415 -- reads the environment

        head = {"num_cpus": 0, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        undo.callback(self._cluster.shutdown)
        for number in range(2):
            wire = self.wires.to(self.redis.port)
            folder = self.folder / f"machine-{number}"
            self.machines.append(Machine(self._cluster, folder, wire, self._settings()))
            self.machines[-1].start()

    def _door(self, number: int) -> ServiceNode:
        environment = {
            **self._settings(),
            **_PRIVATE,
            "RAY_TMPDIR": os.environ["RAY_TMPDIR"],
            "NODE_ID": f"door-{number}",
            "RAY_ADDRESS": self._cluster.address,
        }
        return ServiceNode(environment, self.folder / f"door-{number}")

    def orders_of(self, shard: int) -> list[str]:
        """Return the ids of a shard's orders."""
        ids = (str(each["_id"]) for each in self.orders)
        return [each for each in ids if ShardMap(SHARDS).of(WorkOrderId(each)) == shard]

    # -- who owns ----------------------------------------------------------------------------

    def holder(self, shard: int) -> str:
        """Return the name of the process that holds the lease of a shard; empty without one."""
        with Redis(host=HOST, port=self.redis.port, socket_timeout=1) as redis:
            found: Any = redis.get(f"plan_server:shard:{shard}:lease")
        return str(json.loads(found)["node"]).partition(".")[0] if found else ""

    def machine_of(self, process: str) -> Machine:
        """Return the machine on which a process was started last."""
        return max(
            self.machines, key=lambda machine: str(machine.started(process).get("timestamp", ""))
        )

    def pid_of(self, process: str) -> int:
        """Return the id of a process as the system knows it; 0 where it never started."""
        return int(self.machine_of(process).started(process).get("pid", 0))

    def kill(self, process: str) -> None:
        """Kill a shard's process."""
        os.kill(self.pid_of(process), signal.SIGKILL)

    def freeze(self, process: str) -> int:
        """Stop a shard's process where it stands; give its id."""
        pid = self.pid_of(process)
        os.kill(pid, signal.SIGSTOP)
        return pid

    # -- the head ----------------------------------------------------------------------------

    def kill_gcs(self) -> None:
        """Kill what knows of all processes and machines."""
        self._cluster.head_node.kill_gcs_server()

    def start_gcs(self) -> None:
        """Start it again, on what Redis has."""
        self._cluster.head_node.start_gcs_server()

    # -- what is waited for --------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so; raises TimeoutError."""
        end = time.monotonic() + _DEADLINE_S
        while not await asyncio.to_thread(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not in {_DEADLINE_S} s")
            await asyncio.sleep(_POLL_S)

    async def taken_over(self, shard: int, before: str) -> None:
        """Wait until another process holds a shard's lease."""
        await self.until(
            lambda: self.holder(shard) not in ("", before), f"shard {shard} taken from {before}"
        )

    async def replaced(self, process: str, pid: int) -> None:
        """Wait until a process runs under another id."""
        await self.until(lambda: self.pid_of(process) != pid, f"{process} is another process")

    async def whole(self) -> None:
        """Wait until each shard has an owner, and its two processes are there, on two machines."""
        await self.until(self._is_whole, "all processes are there")

    def _is_whole(self) -> bool:
        pairs = [[f"shard-{shard}{letter}" for letter in "ab"] for shard in range(SHARDS)]
        return (
            all(map(self.holder, range(SHARDS)))
            and all(_lives(self.pid_of(each)) for pair in pairs for each in pair)
            and all(self.machine_of(a) is not self.machine_of(b) for a, b in pairs)
        )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pid > 0
