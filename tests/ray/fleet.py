"""A Ray cluster of three machines on one, two front doors, MongoDB and Redis; each can be hit."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from redis import Redis

from tests.chaos.fleet import DATABASE, orders_from
from tests.contract.backdoor import MongoBackdoor
from tests.proxy import HOST, Wires
from tests.servers import MongoReplicaSet, RedisServer
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.proxy import Wire

SHARDS: Final = 2
TTL_S: Final = 3.0
_ROOT: Final = Path(__file__).resolve().parents[2]
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


class Machine:
    """One machine of the cluster that takes shards, with a wire of its own to Redis."""

    def __init__(
        self,
        cluster: Any,  # noqa: ANN401 -- Ray's classes have no useful types
        folder: Path,
        wire: Wire,
        environment: Mapping[str, str],
    ) -> None:
        self._cluster, self.folder, self.wire = cluster, folder, wire
        folder.mkdir()
        self._environment = {
            **environment,
            "PYTHONPATH": str(_ROOT),
            "REDIS_PORT": str(wire.port),
            "LOG_FILE": str(folder / "log.jsonl"),
        }
        self.node: Any = None

    def start(self) -> None:
        """Join the cluster."""
        self.node = self._cluster.add_node(
            num_cpus=0, resources={"shard": 4}, env_vars=self._environment
        )

    @property
    def raylet(self) -> Any:  # noqa: ANN401 -- a Popen
        """Return the machine's own process of Ray."""
        return self.node.all_processes["raylet"][0].process

    def kill_raylet(self) -> None:
        """End it as a power cut does; one that is not reaped would keep its workers."""
        self.raylet.kill()
        self.raylet.wait()
        self._cluster.remove_node(self.node, allow_graceful=False)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what its shards logged under `name`, the oldest first."""
        found = []
        for path in self.folder.glob("log.*.jsonl"):
            for line in path.read_text(errors="replace").splitlines():
                event = json.loads(line) if line.endswith("}") else {}
                if event.get("event") == name:
                    found.append(event)
        return sorted(found, key=lambda event: event["timestamp"])


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
        # For good: Ray reads it once in a process.
        os.environ.update(_PRIVATE)
        from ray.cluster_utils import Cluster  # noqa: PLC0415 -- reads the environment

        head = {"num_cpus": 0, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        undo.callback(self.cluster.shutdown)
        for number in range(2):
            wire = self.wires.to(self.redis.port)
            folder = self.folder / f"machine-{number}"
            self.machines.append(Machine(self.cluster, folder, wire, self._settings()))
            self.machines[-1].start()

    def _door(self, number: int) -> ServiceNode:
        environment = {
            **self._settings(),
            **_PRIVATE,
            "NODE_ID": f"door-{number}",
            "RAY_ADDRESS": self.cluster.address,
        }
        return ServiceNode(environment, self.folder / f"door-{number}")

    # -- who owns ----------------------------------------------------------------------------

    def holder(self, shard: int) -> str:
        """Return the name of the process that holds the lease of a shard; empty without one."""
        with Redis(host=HOST, port=self.redis.port, socket_timeout=1) as redis:
            found: Any = redis.get(f"plan_server:shard:{shard}:lease")
        return str(json.loads(found)["node"]).partition(".")[0] if found else ""

    def machine_of(self, process: str) -> Machine:
        """Return the machine on which a process was started last."""
        return max(self.machines, key=lambda machine: self._started_at(machine, process))

    def pid_of(self, process: str) -> int:
        """Return the id of a process as the system knows it."""
        machine = self.machine_of(process)
        started = [
            each for each in machine.events("shard_process_started") if each["name"] == process
        ]
        return int(started[-1]["pid"])

    def kill(self, process: str) -> None:
        """Kill a shard's process."""
        os.kill(self.pid_of(process), signal.SIGKILL)

    def freeze(self, process: str) -> int:
        """Stop a shard's process where it stands; give its id."""
        pid = self.pid_of(process)
        os.kill(pid, signal.SIGSTOP)
        return pid

    async def taken_over(self, shard: int, before: str) -> float:
        """Wait until another process holds a shard's lease; give the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < _DEADLINE_S:
            holder = await asyncio.to_thread(self.holder, shard)
            if holder not in ("", before):
                return time.monotonic() - began
            await asyncio.sleep(_POLL_S)
        raise TimeoutError(f"shard {shard} is still {before}'s after {_DEADLINE_S} s")

    async def replaced(self, process: str, pid: int) -> None:
        """Wait until a process runs under another id."""
        async with asyncio.timeout(_DEADLINE_S):
            while await asyncio.to_thread(self.pid_of, process) == pid:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)

    async def whole(self) -> None:
        """Wait until both processes of each shard are there."""
        began = time.monotonic()
        while time.monotonic() - began < _DEADLINE_S:
            if await asyncio.to_thread(self._is_whole):
                return
            await asyncio.sleep(_POLL_S)
        raise TimeoutError(f"not all processes are there after {_DEADLINE_S} s")

    def _is_whole(self) -> bool:
        names = [f"shard-{shard}{letter}" for shard in range(SHARDS) for letter in "ab"]
        return all(_lives(self.pid_of(name)) for name in names)

    @staticmethod
    def _started_at(machine: Machine, process: str) -> str:
        started = [
            each["timestamp"]
            for each in machine.events("shard_process_started")
            if each["name"] == process
        ]
        return started[-1] if started else ""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
