"""MongoDB servers for tests: one by itself, or a replica set."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.servers import _binaries
from tests.servers._errors import ServerError
from tests.servers._process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ELECTION_DEADLINE_S = 60
_POLL_S = 0.02
_CALL_DEADLINE_MS = 5_000
_SET_NAME = "tests"


class MongoServer(ServerProcess):
    """Run one mongod, stand-alone or as a member of `replica_set`."""

    def __init__(
        self, folder: Path | None = None, *, replica_set: str | None = None, cache_gb: float = 0.5
    ) -> None:
        super().__init__(folder)
        self._replica_set = replica_set
        self._cache_gb = cache_gb

    @property
    def uri(self) -> str:
        return self.database_uri("")

    def database_uri(self, database: str) -> str:
        """Return the URI that names a database; it talks to this server and no other."""
        return f"mongodb://{self.host}:{self.port}/{database}?directConnection=true"

    def client(self) -> MongoClient[dict[str, Any]]:
        """Open a blocking client of this server alone; close it, or use it in `with`."""
        return _client(self.uri)

    def _binary(self) -> _binaries.Binary:
        return _binaries.mongod()

    def _arguments(self, data: Path) -> list[str]:
        arguments = ["--bind_ip", self.host, "--port", str(self.port), "--dbpath", str(data)]
        arguments += ["--wiredTigerCacheSizeGB", str(self._cache_gb), "--nounixsocket"]
        for parameter in (
            # A signalled stop otherwise waits 15 s for clients to move elsewhere.
            "shutdownTimeoutMillisForSignaledShutdown=100",
            # The flight recorder costs CPU and 100s of MB that tests don't read.
            "diagnosticDataCollectionEnabled=false",
        ):
            arguments += ["--setParameter", parameter]
        if self._replica_set:
            arguments += ["--replSet", self._replica_set, "--oplogSize", "256"]
        return arguments

    @property
    def _ready_line(self) -> bytes:
        return b"aiting for connections"


class MongoReplicaSet:
    """Run a replica set on loopback; as a context manager, started inside and gone after.

    Acts on all its members at once; for one of them take `members`, `primary()` or
    `secondaries()`.
    """

    def __init__(
        self, folder: Path | None = None, *, members: int = 1, cache_gb: float = 0.5
    ) -> None:
        self.members = [
            MongoServer(
                folder / f"member-{number}" if folder else None,
                replica_set=_SET_NAME,
                cache_gb=cache_gb,
            )
            for number in range(members)
        ]
        self._initiated = False

    @property
    def uri(self) -> str:
        """Say where clients find the set; valid once started, kept by restarts."""
        return self.database_uri("")

    def database_uri(self, database: str) -> str:
        """Return the URI that names a database."""
        hosts = ",".join(f"{member.host}:{member.port}" for member in self.members)
        return f"mongodb://{hosts}/{database}?replicaSet={_SET_NAME}"

    def client(self) -> MongoClient[dict[str, Any]]:
        """Open a blocking client of the set; close it, or use it in `with`."""
        return _client(self.uri)

    def start(self) -> None:
        """Start all members on the data of the last run; return when there is a primary."""
        for member in self.members:
            member.start()
        if not self._initiated:
            self._initiate()
        self.primary()

    def stop(self) -> None:
        """End all members in good order; the data stays."""
        for member in self.members:
            member.stop()

    def kill(self) -> None:
        """End all members by SIGKILL; the data stays."""
        for member in self.members:
            member.kill()

    def restart(self) -> None:
        """Stop and start all members; return when there is a primary again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze all members by SIGSTOP."""
        for member in self.members:
            member.pause()

    def resume(self) -> None:
        """Let paused members go on."""
        for member in self.members:
            member.resume()

    def close(self) -> None:
        """End all members at once and delete their data."""
        for member in self.members:
            member.close()

    def primary(self) -> MongoServer:
        """Return the member that takes writes, waiting for one; raises ServerError without."""
        return self.primary_among(self.members)

    def primary_among(self, candidates: Sequence[MongoServer]) -> MongoServer:
        """Return the primary, waiting until it is one of those; raises ServerError."""
        deadline = time.monotonic() + _ELECTION_DEADLINE_S
        with ExitStack() as undo:
            # Kept while waiting: opening one costs more than asking.
            client_of = cache(lambda member: undo.enter_context(member.client()))
            while time.monotonic() < deadline:
                for member in candidates:
                    if member.running and _takes_writes(client_of(member)):
                        return member
                time.sleep(_POLL_S)
        raise ServerError(f"{self!r} elected no primary in {_ELECTION_DEADLINE_S} s")

    def secondaries(self) -> list[MongoServer]:
        """Return the members that run and are not the primary."""
        return [member for member in self.others(self.primary()) if member.running]

    def others(self, one: MongoServer) -> list[MongoServer]:
        """Return all members but that one."""
        return [member for member in self.members if member is not one]

    def step_down(self, seconds: int = 10) -> None:
        """Make the primary give way to another for that long; needs three members."""
        with self.primary().client() as client:
            client.admin.command(
                {
                    "replSetStepDown": seconds,
                    "secondaryCatchUpPeriodSecs": min(seconds, 10),
                }
            )

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.close)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(str(member.port) for member in self.members)}>"

    def _initiate(self) -> None:
        hosts = [
            {"_id": number, "host": f"{member.host}:{member.port}"}
            for number, member in enumerate(self.members)
        ]
        # A fifth of the defaults: failovers in tests take about 2 s instead of 10 s.
        settings = {"electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 400}
        with self.members[0].client() as client:
            client.admin.command(
                {"replSetInitiate": {"_id": _SET_NAME, "members": hosts, "settings": settings}}
            )
        self._initiated = True


def _client(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, serverSelectionTimeoutMS=_CALL_DEADLINE_MS, timeoutMS=_CALL_DEADLINE_MS)


def _takes_writes(client: MongoClient[dict[str, Any]]) -> bool:
    try:
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
