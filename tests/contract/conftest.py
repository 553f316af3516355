"""One store contract: every test here runs on SQLite, on MongoDB and on both of our fakes.

MongoDB is each driver once and each kind of server once; with `--all-stores` each driver on each.

Those marked `adapters` run on no fake but those named: they are of documents as others write
them, of connections, or of what the actors of a simulation never ask.
"""

from __future__ import annotations

import gc
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

from actors.store.mongo.store import MongoStore
from actors.store.sqlite.store import SqliteStore
from tests.contract.backdoor import Backdoor, MongoBackdoor, SqliteBackdoor
from tests.contract.cases import order_document
from tests.contract.fakes import MemoryBackdoor, SimBackdoor, new_sim_store
from tests.fakes import MemoryStore
from tests.sim.database import Database as SimDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.servers import Databases, MongoReplicaSet, MongoServer

Driver = Literal["motor", "pymongo"]

MONGO_STORES = ("standalone-pymongo", "replica-set-motor")
OTHER_MONGO_STORES = ("standalone-motor", "replica-set-pymongo")
FAKES = ("memory", "simulation")
on_mongo = pytest.mark.parametrize("database", [MONGO_STORES[0]], indirect=True)
on_both = pytest.mark.parametrize("database", ["sqlite", MONGO_STORES[0]], indirect=True)
_TIMEOUT_S = 60.0
"""Only a hang reaches it."""


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a database on each, unless it names those it wants."""
    others = OTHER_MONGO_STORES if metafunc.config.getoption("--all-stores") else ()
    if "wire" in metafunc.fixturenames:
        metafunc.parametrize("wire", [*MONGO_STORES, *others], indirect=True)
    marks = metafunc.definition.iter_markers("parametrize")
    if "database" not in metafunc.fixturenames or any("database" in each.args for each in marks):
        return
    adapters = metafunc.definition.get_closest_marker("adapters")
    fakes = adapters.args if adapters else FAKES
    metafunc.parametrize("database", ["sqlite", *MONGO_STORES, *others, *fakes], indirect=True)


def mongo_of(request: pytest.FixtureRequest) -> tuple[MongoServer | MongoReplicaSet, Driver]:
    """Return the server and the driver that a parameter of `MONGO_STORES` names."""
    fixture = "mongo_standalone" if "standalone" in request.param else "mongo_replica_set"
    return (
        request.getfixturevalue(fixture),
        "motor" if request.param.endswith("motor") else "pymongo",
    )


@pytest.fixture
def drivers_leavings() -> Iterator[None]:
    """Have them found here, where they are known, and not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "memory":
        shared = MemoryStore()
        yield Database("memory", lambda: shared, MemoryBackdoor(shared))
        return
    if request.param == "simulation":
        durable = SimDatabase()
        yield Database("simulation", lambda: new_sim_store(durable), SimBackdoor(durable))
        return
    if request.param == "sqlite":
        path = tmp_path / "orders.sqlite3"
        yield Database("sqlite", lambda: SqliteStore(path), SqliteBackdoor(path))
        return
    server, driver = mongo_of(request)
    name: str = request.getfixturevalue("database_name")
    databases: Databases = request.getfixturevalue("databases")
    yield Database(
        request.param,
        lambda: MongoStore(server.uri, name, driver=driver, timeout_s=_TIMEOUT_S),
        MongoBackdoor(databases.client(server), name),
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
