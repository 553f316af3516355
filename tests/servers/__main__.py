"""Start chosen servers in the foreground and print how to reach them."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.servers import (
    MongoReplicaSet,
    MongoServer,
    RedisServer,
    ServerError,
    _binaries,
    _browser,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SERVERS: dict[str, tuple[str, Callable[[], MongoServer | MongoReplicaSet | RedisServer]]] = {
    "mongo": ("MONGODB_URI", MongoServer),
    "replica-set": ("MONGODB_URI", MongoReplicaSet),
    "replica-set-3": ("MONGODB_URI", lambda: MongoReplicaSet(members=3)),
    "redis": ("REDIS_URL", RedisServer),
}


def main() -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code."""
    arguments = _parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if arguments.fetch:
            return _fetch()
        _run(arguments.server)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _fetch() -> int:
    """Get all that the tests need, whichever of it can't be had; return the exit code."""
    missing = 0
    finders: tuple[Callable[[], Path], ...] = (
        lambda: _binaries.mongod().path,
        lambda: _binaries.redis_server().path,
        _browser.fetch_chromium,
        _binaries.oldest_pip,
    )
    for find in finders:
        try:
            print(find(), flush=True)
        except ServerError as error:
            print(error, file=sys.stderr)
            missing = 1
    return missing


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers",
        description="Start servers on free loopback ports until Ctrl-C, then delete their data. "
        "Each is printed as a setting of the service, ready for its environment.",
    )
    parser.add_argument(
        "server", nargs="*", help=f"which to start: {', '.join(_SERVERS)} (default: mongo redis)"
    )
    parser.add_argument(
        "--fetch",
        action="store_true",
        help="only find, download or (Chromium, by root) install the programs, and print them",
    )
    arguments = parser.parse_args()
    arguments.server = arguments.server or ["mongo", "redis"]
    unknown = [name for name in arguments.server if name not in _SERVERS]
    if unknown:
        parser.error(f"unknown server: {', '.join(unknown)}; known: {', '.join(_SERVERS)}")
    return arguments


def _run(names: list[str]) -> None:
    with ExitStack() as servers:
        for name in names:
            setting, make = _SERVERS[name]
            server = make()
            servers.callback(server.close)
            server.start()
            print(f"{setting}={server.uri}", flush=True)
        print("running; Ctrl-C ends them", file=sys.stderr)
        while True:
            signal.pause()


if __name__ == "__main__":
    sys.exit(main())
