"""Kill the service under load, again and again, and check that nothing is lost or doubled.

Starts a node and real servers of its own, lets sixteen callers work on forty orders, kills the
node by SIGKILL at random moments and starts it again on the same data. The callers repeat each
call with its key until it is settled. Then orders and logs are compared with what the callers
were told.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.servers import MongoReplicaSet, MongoServer
from tests.service.crash import Report, kill_the_node
from tests.service.places import STORES, Place, mongo_place, sqlite_place

_SHOWN = 10


def main() -> int:
    """Run the drill; give the exit code: 1 when the books are not exact."""
    arguments = _parse()
    failed = False
    for store in STORES if arguments.store == "all" else [arguments.store]:
        report = _drill(store, arguments.kills, arguments.seed)
        print(report, flush=True)
        for mistake in report.mistakes[:_SHOWN]:
            print(f"  {mistake}")
        failed = failed or bool(report.mistakes)
    return int(failed)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.crash", description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=20, help="kills with requests in flight (default: 20)"
    )
    parser.add_argument(
        "--store", choices=("all", *STORES), default="all", help="where (default: all)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of calls and moments (default: 1)")
    return parser.parse_args()


def _drill(store: str, kills: int, seed: int) -> Report:
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="crash-")))
        return asyncio.run(kill_the_node(place_at(store, folder, undo), kills=kills, seed=seed))


def place_at(store: str, folder: Path, undo: ExitStack) -> Place:
    """Make the place that `store` names; what it needs ends with `undo`."""
    environment = {"LEASE_TTL": "1"}
    if store == "sqlite":
        return undo.enter_context(sqlite_place(folder, environment))
    server: MongoServer | MongoReplicaSet
    server = MongoServer() if store == "standalone" else MongoReplicaSet()
    undo.enter_context(server)
    return undo.enter_context(mongo_place(store, server, "crash", folder, environment))


if __name__ == "__main__":
    sys.exit(main())
