"""Servers for the whole session, and a name of its own in them for each test."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from tests.dealing import deal
from tests.event_loop import LoopOfTests
from tests.examples import register_profiles
from tests.servers import Databases, MongoReplicaSet, MongoServer, RedisServer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping

register_profiles()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the suite run on more than what shows each fault once."""
    parser.addoption(
        "--all-stores", action="store_true", help="each driver of MongoDB on each kind of server"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each of several processes begin with some of the long tests: none comes to one last."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1:
        long = [each for each in items if each.get_closest_marker("long")]
        others = [each for each in items if not each.get_closest_marker("long")]
        items[:] = deal(long, others, processes)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give each test a loop that ends with what is being closed."""
    return {"asyncio": LoopOfTests}


@pytest.fixture(scope="session")
def databases() -> Databases:
    """Hand out databases on the shared servers, and take them back."""
    return Databases()


@pytest.fixture(scope="session")
def mongo_standalone(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases
) -> Iterator[MongoServer]:
    """Share one stand-alone mongod; never stop it, start one of your own for that."""
    with MongoServer(tmp_path_factory.mktemp("mongo-standalone")) as server, databases.on(server):
        yield server


@pytest.fixture(scope="session")
def mongo_replica_set(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases
) -> Iterator[MongoReplicaSet]:
    """Share a replica set of one member; never stop it, start one of your own for that."""
    with (
        MongoReplicaSet(tmp_path_factory.mktemp("mongo-replica-set")) as replica_set,
        databases.on(replica_set),
    ):
        yield replica_set


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Share one Redis server; never stop or flush it, start one of your own for that."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def database_name(databases: Databases) -> Iterator[str]:
    """Name a database nobody else uses, without documents; collections may be there."""
    name = databases.take()
    yield name
    databases.give_back(name)


@pytest.fixture
def key_prefix(redis_server: RedisServer) -> Iterator[str]:
    """Begin keys that nobody else uses; what was stored under it is deleted afterwards."""
    prefix = f"test:{uuid.uuid4().hex}:"
    yield prefix
    with Redis.from_url(redis_server.uri) as client:
        for key in client.scan_iter(match=f"{prefix}*", count=1000):
            client.delete(key)
