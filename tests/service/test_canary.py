"""A password given to the service never comes out again: not in logs, replies or errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from redis import Redis

from tests.servers import MongoServer, RedisServer, ServerError
from tests.service.nodes import ServiceNode
from tests.trace import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import aiohttp

CANARY = "canary-7d1e"
"""Survives every way of writing a password in a URL."""
PASSWORD = f"{CANARY} p@ss/w:rd%#?{CANARY}"
USER = "planner"
ORDER = "6560a0000000000000000001"
DEADLINE_S = 100
LOOK_S = 0.05
PATHS = (
    "/",
    "/health",
    "/readyz",
    "/livez",
    f"/api/workorder/detail/{ORDER}",
    f"/api/workorder/quantity-logs/{ORDER}",
    "/api/workorder/queue/stats",
    "/api/workorder/queue/locks",
)


@pytest.fixture(scope="module")
def mongo() -> Iterator[MongoServer]:
    with MongoServer() as server:
        _set_password(server, "createUser", PASSWORD, roles=["root"])
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer(password=PASSWORD) as server:
        yield server


@pytest.fixture
def node(mongo: MongoServer, redis: RedisServer, tmp_path: Path) -> Iterator[ServiceNode]:
    made = ServiceNode(
        {
            "MONGODB_URI": _uri(mongo, PASSWORD),
            "MONGODB_DB": "canary",
            "CLUSTER_SECRET": f"{CANARY}-of-the-nodes",
            "REDIS_HOST": redis.host,
            "REDIS_PORT": str(redis.port),
            "REDIS_PASSWORD": PASSWORD,
            "LEASE_TTL": "1",
            "REQUEST_TIMEOUT_S": "2",
            "LOG_LEVEL": "debug",
        },
        tmp_path / "node",
    )
    yield made
    made.close()


async def test_passwords_that_work_stay_secret_when_they_stop_working_and_work_again(
    mongo: MongoServer, redis: RedisServer, node: ServiceNode
) -> None:
    await node.started()
    async with session(node.uri) as client:
        said = [await _everything(client)]
        await asyncio.to_thread(_refuse_everybody, mongo, redis)
        async with asyncio.timeout(DEADLINE_S):
            said += await _until(client, "503")
            said.append(await _everything(client))
            while "AuthenticationFailed" not in node.output():
                await asyncio.sleep(LOOK_S)
                said.append(await _everything(client))
        await asyncio.to_thread(_take_the_password_again, mongo, redis)
        async with asyncio.timeout(DEADLINE_S):
            said += await _until(client, "200")
        said.append(await _everything(client))
    await node.stopped()

    assert len(node.events("service_started")) == 1
    assert CANARY not in "".join(said)
    assert CANARY not in node.output()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(
            lambda mongo, _: {"MONGODB_URI": _uri(mongo, f"{PASSWORD}!")}, id="MONGODB_URI"
        ),
        pytest.param(
            lambda mongo, _: {
                "MONGODB_URI": _uri(mongo, PASSWORD)
                + "&tlsInsecure=true&tlsAllowInvalidCertificates=true"
            },
            id="MONGODB_URI-options",
        ),
        pytest.param(
            lambda mongo, _: {"MONGODB_URI": f"mongodb://{USER}:{PASSWORD}@{mongo.host}"},
            id="MONGODB_URI-not-encoded",
        ),
        pytest.param(
            lambda mongo, _: {
                "MONGODB_URI": _uri(mongo, PASSWORD).replace(str(mongo.port), "1")
                + "&serverSelectionTimeoutMS=200",
            },
            id="MONGODB_URI-nobody-there",
        ),
        pytest.param(
            lambda _, redis: {
                "REDIS_HOST": redis.host,
                "REDIS_PORT": str(redis.port),
                "REDIS_PASSWORD": f"{PASSWORD}!",
            },
            id="REDIS_PASSWORD",
        ),
        pytest.param(
            lambda _, redis: {"REDIS_URL": f"redis://:{CANARY}@{redis.host}:{redis.port}/0"},
            id="REDIS_URL",
        ),
        pytest.param(
            lambda _, redis: {"REDIS_URL": f"redis://:{CANARY}!/x@{redis.host}:{redis.port}"},
            id="REDIS_URL-not-encoded",
        ),
    ],
)
def test_passwords_that_do_not_work_are_not_told_at_start(
    wrong: Callable[[MongoServer, RedisServer], dict[str, str]],
    log_format: str,
    mongo: MongoServer,
    redis: RedisServer,
    tmp_path: Path,
) -> None:
    settings = {"LOG_LEVEL": "debug", "LOG_FORMAT": log_format, **wrong(mongo, redis)}
    if "MONGODB_URI" in settings:
        settings["MONGODB_DB"] = "canary"
    node = ServiceNode(settings, tmp_path / "node")
    try:
        with pytest.raises(ServerError, match="ended while starting"):
            node.start()
    finally:
        node.close()

    complaints = [line for line in node.output().splitlines() if line.startswith("work-order-")]
    assert complaints
    assert CANARY not in node.output()


async def _everything(client: aiohttp.ClientSession) -> str:
    """Ask for all there is, and send an update; give all that is answered."""
    said = [await _get(client, path) for path in PATHS]
    update = {"workOrderId": ORDER, "type": "input"}
    said.append(await _post(client, "/api/workorder/update-quantity", update))
    said.append(await _post(client, "/api/workorder/batch-update-quantity", {"updates": [update]}))
    said.append(await _post(client, "/api/workorder/queue/pause", {}))
    said.append(await _post(client, "/api/workorder/queue/resume", {}))
    said.append(await _post(client, "/api/workorder/queue/clean-locks", {}))
    return "".join(said)


async def _until(client: aiohttp.ClientSession, status: str) -> list[str]:
    """Ask how it is until it answers so; give the answers before."""
    said = []
    while not (health := await _get(client, "/health")).startswith(status):
        said.append(health)
        await asyncio.sleep(LOOK_S)
    return said


async def _get(client: aiohttp.ClientSession, path: str) -> str:
    async with client.get(path) as response:
        return f"{response.status} {response.headers} {await response.text()}\n"


async def _post(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> str:
    async with client.post(path, json=body) as response:
        return f"{response.status} {response.headers} {await response.text()}\n"


def _uri(server: MongoServer, password: str) -> str:
    credentials = f"{USER}:{quote(password, safe='')}"
    return f"mongodb://{credentials}@{server.host}:{server.port}/?authSource=admin"


def _set_password(server: MongoServer, command: str, password: str, **options: Any) -> None:  # noqa: ANN401
    with server.client() as client:
        client.admin.command(command, USER, pwd=password, **options)


def _refuse_everybody(mongo: MongoServer, redis: RedisServer) -> None:
    """Change both passwords, and end the connections that the old ones opened."""
    _set_password(mongo, "updateUser", "another")
    mongo.restart()
    _set_redis_password(redis, PASSWORD, "another")


def _take_the_password_again(mongo: MongoServer, redis: RedisServer) -> None:
    _set_redis_password(redis, "another", PASSWORD)
    _set_password(mongo, "updateUser", PASSWORD)


def _set_redis_password(server: RedisServer, old: str, new: str) -> None:
    with Redis(host=server.host, port=server.port, password=old) as client:
        client.config_set("requirepass", new)
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
