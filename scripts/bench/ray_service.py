"""Serve by a Ray cluster of one machine: a front door on PORT, before SHARDS processes of shards.

Starts head, machine, Redis and front door (ACTOR_ENGINE=ray, no spares), each a process below this
one, and ends them on SIGTERM. Needs Ray: run it with the Python of .venv-ray, which
scripts/ray-test.sh makes.
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.bench.processes import ChildFailedError, child, exit_on_sigterm
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Serve until stopped."""
    what = argparse.ArgumentParser(prog="python -m scripts.bench ray_service", description=__doc__)
    what.parse_args(argv)
    with suppress(SystemExit), ExitStack() as stack:
        exit_on_sigterm()
        # A short path, as Ray's sockets need it.
        files = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp"))
        redis = stack.enter_context(RedisServer())
        settings = {
            "ACTOR_ENGINE": "ray",
            "SHARD_SPARE": "0",
            "REDIS_URL": redis.uri,
            "RAY_TMPDIR": files,
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }
        os.environ.update(settings)
        from ray.cluster_utils import Cluster  # noqa: PLC0415 -- reads the environment

        room = {"num_cpus": 0, "resources": {"shard": int(os.environ["SHARDS"])}}
        cluster = Cluster(True, head_node_args={"include_dashboard": False, **room})  # noqa: FBT003
        stack.callback(cluster.shutdown)
        # Ray has put its own in the place of ours.
        exit_on_sigterm()
        log = Path(files) / "front-door.log"
        environment = {**os.environ, "RAY_ADDRESS": cluster.address}
        door = stack.enter_context(child(["-m", "web"], log, environment))
        door.wait()
        raise ChildFailedError("the front door ended", log)
    return 0
