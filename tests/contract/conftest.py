"""One store contract, five stores to hold it: every test here runs on each."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

from actors.store.mongo.store import MongoStore
from actors.store.sqlite.store import SqliteStore
from tests.contract.backdoor import Backdoor, MongoBackdoor, SqliteBackdoor
from tests.contract.cases import order_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.servers import MongoReplicaSet, MongoServer

Driver = Literal["motor", "pymongo"]

STORES = (
    "sqlite",
    "standalone-motor",
    "standalone-pymongo",
    "replica-set-motor",
    "replica-set-pymongo",
)


@dataclass(frozen=True, slots=True)
class Database:
    """A fresh database: how to make stores on it, and the way in behind their backs."""

    kind: str
    new_store: Callable[[], Store]
    backdoor: Backdoor

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        """Open one more store on the database, as another process would."""
        async with AsyncExitStack() as undo:
            store = self.new_store()
            undo.push_async_callback(store.close)
            await store.open()
            yield store


@pytest.fixture(params=STORES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        path = tmp_path / "orders.sqlite3"
        yield Database("sqlite", lambda: SqliteStore(path), SqliteBackdoor(path))
        return
    fixture = "mongo_standalone" if "standalone" in request.param else "mongo_replica_set"
    server: MongoServer | MongoReplicaSet = request.getfixturevalue(fixture)
    name: str = request.getfixturevalue("database_name")
    driver: Driver = "motor" if request.param.endswith("motor") else "pymongo"
    with server.client() as client:
        yield Database(
            request.param,
            lambda: MongoStore(server.uri, name, driver=driver),
            MongoBackdoor(client, name),
        )


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    async with database.opened() as store:
        yield store


@pytest.fixture
def backdoor(database: Database) -> Backdoor:
    return database.backdoor


@pytest.fixture
def order_id(store: Store, backdoor: Backdoor) -> WorkOrderId:  # noqa: ARG001 opened by now
    """Put one order as the main service makes them."""
    document = order_document()
    backdoor.put_order(document)
    order_id: WorkOrderId = document["_id"]
    return order_id
