"""What a service runs on: the embedded default, or MongoDB and Redis; with orders in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from actors.store.mongo.store import MongoStore
from actors.store.sqlite.store import FILE_NAME, SqliteStore
from scripts.operate import screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from actors.store import Store
    from tests.servers import MongoServer, RedisServer

_REDIS_DB = 7


def order_id(number: int) -> str:
    """Return the id of a test's order."""
    return f"{number:024x}"


def order(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an order as the main service stores it: 100 pieces planned, none done."""
    return {
        "_id": order_id(number),
        "workOrderNo": f"WO-{number}",
        "materialNumber": "MAT-1",
        "materialName": "电机",
        "lineName": "一线",
        "status": "IN_PROGRESS",
        "planQuantity": 100,
        "planProductionQuantity": 100,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
        "createAt": datetime(2026, 11, 1, tzinfo=UTC),
        "updateAt": datetime(2026, 11, 1, tzinfo=UTC),
        **fields,
    }


@dataclass(frozen=True, slots=True)
class Backend:
    """A store and a lease of their own: the settings that lead to them, and another way in."""

    settings: dict[str, str]
    store_name: str
    lease_name: str
    new_store: Callable[[], Store]
    free_lease: Callable[[], None] = lambda: None
    """Have the lease of a killed node end with it, where the kernel does not see to that."""

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """Open the store beside the service."""
        store = self.new_store()
        try:
            await store.open()
            yield store
        finally:
            await store.close()

    async def add(self, *orders: dict[str, Any]) -> None:
        """Put orders into the store."""
        async with self.store() as store:
            assert await store.insert_orders(orders) == len(orders)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what commands print stand in one line, wherever the tests run."""
    monkeypatch.setattr(screen.console, "width", 200)


@pytest.fixture
def embedded(tmp_path: Path) -> Backend:
    """Run on SQLite and the file lease, in a folder of the test's own."""
    folder = tmp_path / "data"
    return Backend(
        {"DATA_DIR": str(folder)}, "sqlite", "file", lambda: SqliteStore(folder / FILE_NAME)
    )


@pytest.fixture
def networked(
    mongo_standalone: MongoServer, redis_server: RedisServer, database_name: str
) -> Iterator[Backend]:
    """Run on MongoDB and Redis, in a database of the test's own."""
    lease = f"{redis_server.uri.rpartition('/')[0]}/{_REDIS_DB}"

    def free_lease() -> None:
        with Redis.from_url(lease) as client:
            for key in client.scan_iter(match="plan_server:*"):
                client.delete(key)

    yield Backend(
        {
            "MONGODB_URI": mongo_standalone.uri,
            "MONGODB_DB": database_name,
            "REDIS_URL": lease,
            "LEASE_TTL": "60",  # slow machines keep it
        },
        "mongodb",
        "redis",
        lambda: MongoStore(mongo_standalone.uri, database_name),
        free_lease,
    )
    free_lease()


@pytest.fixture(params=["embedded", "networked"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Run the test on each."""
    chosen: Backend = request.getfixturevalue(request.param)
    return chosen
