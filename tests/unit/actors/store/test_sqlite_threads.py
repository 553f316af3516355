"""Readers of a SQLite file, beside the thread that decides and writes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.domain.job import JobState
from actors.domain.model import JobId
from actors.errors import StoreUnavailable
from actors.store.jobs import JobQuery
from actors.store.port import LogQuery
from actors.store.sqlite.file import SqliteFile
from actors.store.sqlite.store import SqliteStore
from actors.store.sqlite.threads import SqliteThreads
from tests.contract.backdoor import SqliteBackdoor
from tests.contract.cases import change, commit_one, decide, loaded, order_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.domain.model import WorkOrderId

HANG_S = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, timeout_s=HANG_S)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def threads(path: Path) -> AsyncIterator[SqliteThreads]:
    threads = SqliteThreads(SqliteFile(path, HANG_S))
    await threads.open()
    yield threads
    await threads.close()


@pytest.fixture
def order_id(store: SqliteStore, path: Path) -> WorkOrderId:  # noqa: ARG001 opened by now
    document = order_document()
    SqliteBackdoor(path).put_order(document)
    order_id: WorkOrderId = document["_id"]
    return order_id


async def test_readers_see_what_is_committed_while_the_writer_waits(
    store: SqliteStore, path: Path, order_id: WorkOrderId
) -> None:
    job_id = JobId("0" * 24)
    made = decide(await loaded(store, order_id), change(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(commit_one(store, made))
        for call in (
            store.log_page(LogQuery(order_id)),
            store.detail(order_id),
            store.search(order_id, 5),
            store.inbox.page(JobQuery(JobState.WAITING)),
            store.inbox.find(job_id),
            store.inbox.outcome(job_id),
        ):
            await asyncio.wait_for(call, HANG_S / 2)
        assert not waiting.done()
        other.execute("ROLLBACK")
    await waiting
    assert (await store.log_page(LogQuery(order_id))).total == 1


async def test_a_commit_does_not_wait_for_readers(threads: SqliteThreads) -> None:
    reading, go_on = threading.Semaphore(0), threading.Event()

    def read(db: sqlite3.Connection) -> int:
        before: int = db.execute("SELECT count(*) FROM state").fetchone()[0]
        reading.release()
        assert go_on.wait(HANG_S)
        assert db.execute("SELECT count(*) FROM state").fetchone()[0] == before
        return before

    readers = [asyncio.create_task(threads.read(read)) for _ in range(5)]
    await asyncio.to_thread(lambda: [reading.acquire(timeout=HANG_S) for _ in range(2)])
    file = threads._file  # noqa: SLF001 -- the store's, which is not here

    def write() -> None:
        with file.writing() as db:
            db.execute("INSERT INTO state VALUES ('x', 1, NULL)")

    await threads.run(write)
    go_on.set()
    assert sorted(await asyncio.gather(*readers)) == [0, 0, 1, 1, 1]


async def test_a_reader_can_change_nothing(threads: SqliteThreads) -> None:
    with pytest.raises(StoreUnavailable, match="readonly"):
        await threads.read(lambda db: db.execute("DELETE FROM logs"))


async def test_a_reader_that_failed_is_there_for_the_next(threads: SqliteThreads) -> None:
    for _ in range(5):
        with pytest.raises(StoreUnavailable, match="no such table"):
            await threads.read(lambda db: db.execute("SELECT * FROM missing"))
    assert await threads.read(lambda db: db.execute("SELECT 1").fetchone()) == (1,)


async def test_readers_notice_a_log_that_was_taken_away(threads: SqliteThreads, path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()
    with pytest.raises(StoreUnavailable, match="-wal was removed"):
        await threads.read(lambda db: db.execute("SELECT 1").fetchone())
