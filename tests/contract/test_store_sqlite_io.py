"""Whatever a disk answers SQLite: the store does not answer, nothing is lost, and no node ends."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.messages import Updated
from actors.errors import NotApplied, OutcomeUnknown, StoreUnavailable, WorkOrderError
from actors.lease.file import FileLease
from actors.node.node import Node, NodeOptions
from actors.node.status import Role
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from actors.store.port import LogQuery
from actors.store.sqlite.store import FILE_NAME, SqliteStore
from tests.contract.backdoor import SqliteBackdoor
from tests.contract.cases import (
    FIRST,
    applied,
    change,
    decide,
    loaded,
    order_document,
    whole_log,
)
from tests.unit.actors.owner import update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from actors.domain.model import WorkOrderId

TTL_S = 0.6
_MAX_S = 100


class Disk:
    """Fails statements that begin with one of `fails`, with the error that `how` makes."""

    def __init__(self) -> None:
        self.fails: tuple[str, ...] = ()
        self.how: Callable[[], Exception] = OSError

    def meet(self, statement: str) -> None:
        if self.fails and statement.startswith(self.fails):
            raise self.how()


def _sqlite(code: int, text: str) -> Callable[[], Exception]:
    def make() -> Exception:
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        return error

    return make


def _os(number: int) -> Callable[[], Exception]:
    return lambda: OSError(number, os.strerror(number))


ERRORS = [
    pytest.param(_sqlite(sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"), id="IOERR_WRITE"),
    pytest.param(_sqlite(sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error"), id="IOERR_FSYNC"),
    pytest.param(_sqlite(sqlite3.SQLITE_FULL, "database or disk is full"), id="FULL"),
    pytest.param(_sqlite(sqlite3.SQLITE_CANTOPEN, "unable to open database file"), id="CANTOPEN"),
    pytest.param(_sqlite(sqlite3.SQLITE_READONLY, "attempt to write a readonly"), id="READONLY"),
    pytest.param(_sqlite(sqlite3.SQLITE_CORRUPT, "disk image is malformed"), id="CORRUPT"),
    pytest.param(_os(errno.EFBIG), id="EFBIG"),
    pytest.param(_os(errno.EIO), id="EIO"),
    pytest.param(_os(errno.EDQUOT), id="EDQUOT"),
]
WRITES = ("BEGIN IMMEDIATE", "UPDATE", "INSERT", "COMMIT")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, connect = Disk(), sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # noqa: ANN401
            disk.meet(sql)
            return super().execute(sql, *args)

        def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:  # noqa: ANN401
            disk.meet(sql)
            return super().executemany(sql, *args)

    def with_it(*args: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401
        return connect(*args, factory=Connection, **options)

    monkeypatch.setattr("actors.store.sqlite.file.sqlite3.connect", with_it)
    return disk


@pytest.fixture
def order_id(tmp_path: Path, store: SqliteStore) -> WorkOrderId:
    assert store.name == "sqlite"  # it has made the file
    document = order_document()
    SqliteBackdoor(tmp_path / FILE_NAME).put_order(document)
    order_id: WorkOrderId = document["_id"]
    return order_id


@pytest.fixture
async def store(tmp_path: Path, disk: Disk) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / FILE_NAME)
    await store.open()
    yield store
    disk.fails = ()
    await store.close()


@pytest.mark.parametrize("how", ERRORS)
async def test_every_call_says_that_the_store_does_not_answer(
    store: SqliteStore, disk: Disk, order_id: WorkOrderId, how: Callable[[], Exception]
) -> None:
    await applied(store, order_id, change(1))
    order = await loaded(store, order_id)
    made = decide(order, change(1))
    calls: list[Callable[[], Any]] = [
        store.ping,
        store.epoch,
        store.paused,
        lambda: store.load([order_id]),
        lambda: store.log_page(LogQuery(order_id)),
        lambda: store.claim_epoch("node"),
        lambda: store.cluster_secret("fresh"),
        lambda: store.commit(FIRST, [made]),
        lambda: store.invalidate(FIRST, order),
        store.inbox.waiting,
    ]
    disk.how = how
    for disk.fails in (*((each,) for each in WRITES), ("BEGIN", "SELECT", "PRAGMA")):
        for call in calls:
            with suppress(StoreUnavailable, OutcomeUnknown):
                await call()
    disk.fails = ()
    await store.ping()
    order = await loaded(store, order_id)
    assert order.seq == order.state.input_quantity == len(await whole_log(store, order_id)) == 1


async def test_a_file_that_can_not_be_looked_at_after_a_commit_leaves_the_outcome_open(
    store: SqliteStore, order_id: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = decide(await loaded(store, order_id), change(1))
    looks = iter([False, False, True])

    def look(_path: Path) -> tuple[int, int] | None:
        if next(looks):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return identity

    identity = store._file._identity  # noqa: SLF001 -- what it compares with
    assert identity is not None
    monkeypatch.setattr("actors.store.sqlite.file._identify", look)
    monkeypatch.setattr(store._file, "_wal_identity", identity)  # noqa: SLF001
    with pytest.raises(OutcomeUnknown, match="Input/output error"):
        await store.commit(FIRST, [made])
    monkeypatch.undo()
    assert len(await whole_log(store, order_id)) == 1, "it counts"


@pytest.mark.parametrize("fails", [("COMMIT",), WRITES], ids=["COMMIT", "all writes"])
@pytest.mark.parametrize("how", [ERRORS[0], ERRORS[6], ERRORS[8]])
async def test_a_node_outlives_a_disk_that_takes_nothing_and_counts_once(
    tmp_path: Path,
    store: SqliteStore,
    disk: Disk,
    order_id: WorkOrderId,
    fails: tuple[str, ...],
    how: Callable[[], Exception],
) -> None:
    await store.close()  # a node opens it itself
    lease = FileLease(tmp_path, ttl_s=60)  # slow machines keep it
    node = Node(store, lease, NodeOptions("a", "http://a", TTL_S, TermOptions(Limits())))
    await node.start()
    await _until(lambda: node.status().serving)  # a slow disk has not answered in time at first
    disk.fails, disk.how = fails, how
    try:
        answer: object = await node.region.update(update(1, order_id, key="k", within=1))
    except WorkOrderError as error:
        answer = error
    assert isinstance(answer, NotApplied | OutcomeUnknown)
    await _until(lambda: node.status().role is Role.STANDBY)
    status = node.status()
    assert (status.serving, status.store.ok) == (False, False)

    disk.fails = ()
    await _until(lambda: node.status().serving)
    done = await node.region.update(update(1, order_id, key="k", within=_MAX_S))
    assert isinstance(done, Updated)
    assert (done.after_quantity, done.seq) == (1, 1)
    assert node._actor is not None  # noqa: SLF001
    assert not node._actor.died.is_set(), "the process goes on"  # noqa: SLF001
    assert await node.drain(_MAX_S)
    await lease.close()


async def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _MAX_S
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
