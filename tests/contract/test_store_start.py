"""MongoDB's answers as a node starts: not there, not primary yet, no address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pymongo.errors import NotPrimaryError, OperationFailure

from actors.errors import StartupError
from actors.store.mongo import client
from actors.store.mongo.client import make_indexes
from actors.store.mongo.store import MongoStore
from tests.event_loop import LoopOfTests
from tests.servers import free_port

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

    from tests.contract.conftest import Driver
    from tests.servers import MongoServer

A_MINUTE_S = 60.0
# PyMongo leaves a socket behind when it is closed while it looks for a server that is gone.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("drivers_leavings"),
    pytest.mark.parametrize("driver", ["motor", "pymongo"]),
]


async def test_a_store_whose_server_is_not_there_says_so_in_one_line(driver: Driver) -> None:
    uri = f"mongodb://worker:cAnArY@127.0.0.1:{free_port()}/?authSource=admin"
    store = MongoStore(uri, "nowhere", driver=driver, timeout_s=0.2)

    with pytest.raises(StartupError) as failure:
        await store.open()

    line = str(failure.value)
    assert "MONGODB_URI" in line
    assert "127.0.0.1" in line
    assert "\n" not in line
    assert "cAnArY" not in line
    await store.close()


@pytest.mark.parametrize("told", [NotPrimaryError("not primary"), OperationFailure("", 13435)])
async def test_a_node_starts_while_the_primary_changes(
    driver: Driver,
    mongo_standalone: MongoServer,
    database_name: str,
    monkeypatch: pytest.MonkeyPatch,
    told: PyMongoError,
) -> None:
    asked = 0

    async def not_at_first(database: object) -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise told
        await make_indexes(database)

    monkeypatch.setattr(client, "make_indexes", not_at_first)
    store = MongoStore(mongo_standalone.uri, database_name, driver=driver)
    try:
        await store.open()
        await store.ping()
    finally:
        await store.close()
    assert asked == 3


async def test_a_set_that_gets_no_primary_is_told_at_the_start(
    driver: Driver,
    mongo_standalone: MongoServer,
    database_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, loop = 0, asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)

    async def never(_: object) -> None:
        nonlocal asked
        asked += 1
        loop.skip(A_MINUTE_S)
        raise NotPrimaryError("not primary")

    monkeypatch.setattr(client, "make_indexes", never)
    store = MongoStore(
        mongo_standalone.uri, database_name, driver=driver, timeout_s=1.5 * A_MINUTE_S
    )
    with pytest.raises(StartupError, match="not primary"):
        await store.open()
    assert asked == 2


@pytest.mark.parametrize("uri", ["mongodb://", "mongodb://h:port", "http://h"])
async def test_an_address_that_is_none_is_told_at_the_start(driver: Driver, uri: str) -> None:
    store = MongoStore(uri, "nowhere", driver=driver, timeout_s=0.2)
    with pytest.raises(StartupError, match="MONGODB_URI"):
        await store.open()
    await store.close()
