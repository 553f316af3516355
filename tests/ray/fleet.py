"""A Ray cluster of three machines on one, two front doors, MongoDB and Redis; each can be hit."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import tempfile
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final

from actors.store.mongo.store import MongoStore
from tests.chaos.fleet import DATABASE
from tests.proxy import HOST
from tests.ray.machine import Machine
from tests.service.nodes import ServiceNode
from tests.shards.fleet import ShardFleet

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

SHARDS: Final = 2
TTL_S: Final = 3.0
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


class RayFleet(ShardFleet):
    """All of it."""

    first_order = 0x6560A00000000000000E0000
    roam = True

    def __init__(self, folder: Path, ttl_s: float = TTL_S) -> None:
        super().__init__(folder, SHARDS, ttl_s)
        self.machines: list[Machine] = []

    def settings(self) -> dict[str, str]:
        """Return what front doors and machines are given."""
        return {**super().settings(), "ACTOR_ENGINE": "ray", "SHARDS": "stored"}

    def _start(self, undo: ExitStack) -> None:
        asyncio.run(self._cut())
        self._start_cluster(undo)
        for number in range(2):
            self.doors.append(self._door(number))
            undo.callback(self.doors[-1].close)
            self.doors[-1].start()

    async def _cut(self) -> None:
        """Have the orders cut before anything serves."""
        store = MongoStore(self.mongo.uri, database=DATABASE)
        await store.open()
        await store.shard_map.move(await store.shard_map.read(), SHARDS)
        await store.close()

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
            self.machines.append(Machine(self._cluster, folder, wire, self.settings()))
            self.machines[-1].start()

    def _door(self, number: int) -> ServiceNode:
        environment = {
            **self.settings(),
            **_PRIVATE,
            "RAY_TMPDIR": os.environ["RAY_TMPDIR"],
            "NODE_ID": f"door-{number}",
            "RAY_ADDRESS": self._cluster.address,
        }
        return ServiceNode(environment, self.folder / f"door-{number}")

    # -- who owns ----------------------------------------------------------------------------

    def machine_of(self, process: str) -> Machine:
        """Return the machine on which a process was started last."""
        return max(
            self.machines, key=lambda machine: str(machine.started(process).get("timestamp", ""))
        )

    def owned_on(self, machine: Machine) -> list[int]:
        """Return the shards whose owners are on a machine."""
        owners = self.holders()
        return [n for n, each in enumerate(owners) if self.machine_of(each) is machine]

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

    # -- the map -----------------------------------------------------------------------------

    def reshard(self, count: int) -> None:
        """Have the orders cut into another number of shards."""
        _call(self.doors[0], "POST", "/api/shards", {"shards": count})

    def serves(self, count: int) -> bool:
        """Return whether both front doors find each of so many shards served."""
        told = [_call(door, "GET", "/api/shards")["shards"] for door in self.doors]
        return all([each["serving"] for each in shards] == [True] * count for shards in told)

    # -- what is waited for --------------------------------------------------------------------

    async def replaced(self, process: str, pid: int) -> None:
        """Wait until a process runs under another id."""
        await self.until(lambda: self.pid_of(process) != pid, f"{process} is another process")

    def is_whole(self) -> bool:
        """Return whether each shard has two processes, on two machines, and owners are spread."""
        pairs = [[f"shard-{shard}{letter}" for letter in "ab"] for shard in range(SHARDS)]
        owners = self.holders()
        return (
            all(owners)
            and len({*map(self.machine_of, owners)}) == len(self.machines)
            and all(_lives(self.pid_of(each)) for pair in pairs for each in pair)
            and all(self.machine_of(a) is not self.machine_of(b) for a, b in pairs)
        )

    def missing(self) -> list[str]:
        """Return what the front door that was there all the time does not know."""
        door = self.doors[0]
        nodes = {each["node"] for each in _call(door, "GET", "/api/nodes")["nodes"]}
        updates = _call(door, "GET", "/api/actors/stats")["updates"]
        mistakes = [] if nodes == {"door-0", "door-1"} else [f"these are the front doors: {nodes}"]
        return [*mistakes, *([] if updates["applied"] else [f"these are the updates: {updates}"])]


def _call(door: ServiceNode, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 -- JSON
    connection = HTTPConnection(door.host, door.port, timeout=10)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["data"]
    finally:
        connection.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pid > 0
