"""SQLite's own ways to fail: files, locks, disks, and other processes on the same file."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.evidence import EvidenceQuery
from actors.errors import OutcomeUnknown, StartupError, StoreUnavailable
from actors.store import Committed
from actors.store.sqlite import reads
from actors.store.sqlite.file import SqliteFile
from actors.store.sqlite.store import SqliteStore
from tests.contract.backdoor import SqliteBackdoor
from tests.contract.cases import (
    FIRST,
    LATEST,
    MORNING,
    applied,
    change,
    commit_one,
    committed,
    decide,
    loaded,
    order_document,
    whole_log,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.domain.model import WorkOrderId


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "orders.sqlite3"


@asynccontextmanager
async def opened(path: Path, timeout_s: float = 5.0) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, timeout_s=timeout_s)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def put_order(path: Path) -> WorkOrderId:
    document = order_document()
    SqliteBackdoor(path).put_order(document)
    order_id: WorkOrderId = document["_id"]
    return order_id


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
async def test_the_files_are_the_owner_s_alone(path: Path) -> None:
    async with opened(path) as store:
        await store.set_paused(LATEST, paused=True)
        files = list(path.parent.iterdir())
        assert len(files) == 3, "the database, its log and its shared memory"
        for each in files:
            assert stat.S_IMODE(each.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_commits_survive_a_power_cut(path: Path) -> None:
    async with opened(path):
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file = SqliteFile(path, 1)
    file.open()
    with file.reading() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    file.close()


def _no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("this is no database" * 100)


def _foreign(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE theirs (id)")


def _newer(path: Path) -> None:
    file = SqliteFile(path, 1)
    file.open()
    file.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 99")


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _file_for_folder(path: Path) -> None:
    path.parent.write_text("")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_no_database, "file is not a database"),
        (_foreign, "is another program's SQLite file"),
        (_newer, "was made by another release (format 99)"),
        (_folder, "unable to open database file"),
        (_file_for_folder, "File exists"),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_in_one_line(
    path: Path, spoil: object, reason: str
) -> None:
    assert callable(spoil)
    spoil(path)
    store = SqliteStore(path)

    with pytest.raises(StartupError) as failure:
        await store.open()

    line = str(failure.value)
    assert reason in line
    assert str(path) in line
    assert "\n" not in line
    with pytest.raises(StoreUnavailable):
        await store.ping()


async def test_a_lock_held_by_another_process_is_waited_for_and_then_told(path: Path) -> None:
    async with opened(path, timeout_s=0.1) as store:
        order_id = put_order(path)
        order = await loaded(store, order_id)
        made = decide(order, change(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for call in (
                store.ping(),
                store.claim_epoch("node"),
                store.commit(FIRST, [made]),
                store.invalidate(FIRST, order),
            ):
                with pytest.raises(StoreUnavailable, match="locked"):
                    await call
            assert (await loaded(store, order_id)).revision == 0, "reading goes on"
            other.execute("ROLLBACK")

        await committed(store, made)
        assert len(await whole_log(store, order_id)) == 1


async def test_a_file_that_is_locked_while_opening_is_told(path: Path) -> None:
    async with opened(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StartupError, match="locked"):
            await SqliteStore(path, timeout_s=0.1).open()


async def test_many_processes_may_make_the_file_at_once(path: Path) -> None:
    stores = [SqliteStore(path) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    epochs = await asyncio.gather(*(store.claim_epoch("node") for store in stores))
    assert sorted(epochs) == list(range(1, 9))
    for store in stores:
        await store.close()


@pytest.mark.parametrize("replaced", [True, False])
async def test_nothing_is_acknowledged_into_a_file_that_was_removed(
    path: Path, *, replaced: bool
) -> None:
    async with opened(path) as store:
        order_id = put_order(path)
        made = decide(await loaded(store, order_id), change(1))
        kept = path.with_name("kept")
        _move(path, kept, leaving_a_copy=replaced)

        for call in (store.commit(FIRST, [made]), store.ping(), store.load([order_id])):
            with pytest.raises(StoreUnavailable, match="was removed or replaced"):
                await call
        _move(kept, path)
        assert isinstance(await commit_one(store, made), Committed)


def _move(path: Path, to: Path, *, leaving_a_copy: bool = False) -> None:
    path.replace(to)
    if leaving_a_copy:
        path.write_bytes(to.read_bytes())


class FaultyDisk(sqlite3.Connection):
    """Fails at the commit, after doing it or instead of it, or has only so much room."""

    code: int | None = None
    done = False
    pages = 1_000_000

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401 sqlite3's
        if statement == "BEGIN IMMEDIATE":
            super().execute(f"PRAGMA max_page_count = {self.pages}").fetchone()
        if statement != "COMMIT" or self.code is None:
            return super().execute(statement, *values)
        if self.done:
            super().execute(statement)
        error = sqlite3.OperationalError("made up")
        error.sqlite_errorcode = self.code
        raise error


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> type[FaultyDisk]:
    """Let stores that are opened from now on meet this disk's faults, those set on the class."""

    class Disk(FaultyDisk):
        pass

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Disk))
    return Disk


@pytest.mark.parametrize("done", [True, False])
async def test_a_commit_that_fails_ambiguously_is_unknown_and_settled_by_asking_again(
    path: Path, disk: type[FaultyDisk], *, done: bool
) -> None:
    async with opened(path) as store:
        order_id = put_order(path)
        made = decide(await loaded(store, order_id), change(1))
        disk.code, disk.done = sqlite3.SQLITE_IOERR_FSYNC, done
        with pytest.raises(OutcomeUnknown):
            await store.commit(FIRST, [made])
        disk.code = None

        result = await commit_one(store, made)

        assert isinstance(result, Committed)
        assert (result.order.seq, result.order.state.input_quantity) == (1, 1)
        assert len(await whole_log(store, order_id)) == 1


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY])
async def test_a_commit_that_says_it_was_not_done_is_not_applied(
    path: Path, disk: type[FaultyDisk], code: int
) -> None:
    async with opened(path) as store:
        order_id = put_order(path)
        made = decide(await loaded(store, order_id), change(1))
        disk.code = code
        with pytest.raises(StoreUnavailable):
            await store.commit(FIRST, [made])
        disk.code = None

        assert (await loaded(store, order_id)).seq == 0
        await committed(store, made)


async def test_a_disk_without_room_applies_nothing_and_goes_on_when_there_is_some(
    path: Path, disk: type[FaultyDisk]
) -> None:
    async with opened(path) as store:
        order_id = put_order(path)
        order = (await applied(store, order_id, change(1))).order
        large = decide(order, change(1, remark="x" * 1_000_000))
        disk.pages = 30
        with pytest.raises(StoreUnavailable, match="full"):
            await store.commit(FIRST, [large])
        assert len(await whole_log(store, order_id)) == 1
        disk.pages = 1_000_000

        await committed(store, large)
        assert len(await whole_log(store, order_id)) == 2


FILE_LIMIT_PROGRAM = """
import asyncio, sys
from pathlib import Path
from actors.errors import OutcomeUnknown, StoreUnavailable
from actors.store.sqlite.store import SqliteStore
from tests.contract.cases import FIRST, change, decide

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    [order] = await store.load([sys.argv[2]])
    while True:
        made = decide(order, change(1, remark="x" * 1000))
        try:
            [result] = await store.commit(FIRST, [made])
        except (OutcomeUnknown, StoreUnavailable) as error:
            print(order.seq, type(error).__name__, flush=True)
            return
        order = result.order

asyncio.run(main())
"""


async def test_what_was_acknowledged_before_a_write_failed_is_there_and_nothing_else(
    path: Path,
) -> None:
    async with opened(path) as store:
        order_id = put_order(path)
        await store.ping()
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        FILE_LIMIT_PROGRAM,
        str(path),
        order_id,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    said, _ = await program.communicate()
    acknowledged, error = said.decode().split()
    assert error in {"OutcomeUnknown", "StoreUnavailable"}

    async with opened(path) as store:
        order = await loaded(store, order_id)
        assert order.seq - int(acknowledged) in ({0, 1} if error == "OutcomeUnknown" else {0})
        assert order.seq == order.state.input_quantity == len(await whole_log(store, order_id))


async def test_the_event_loop_does_not_wait_for_the_disk(path: Path) -> None:
    async with opened(path) as store:
        order_id = put_order(path)
        made = decide(await loaded(store, order_id), change(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(commit_one(store, made))
            # The worker waits for the lock, the loop does not: it can give the lock back.
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            other.execute("ROLLBACK")
        assert isinstance(await waiting, Committed)


async def test_a_caller_that_gives_up_does_not_stop_its_commit(path: Path) -> None:
    async with opened(path) as store:
        order_id = put_order(path)
        made = decide(await loaded(store, order_id), change(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(commit_one(store, made))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            other.execute("ROLLBACK")

        assert isinstance(await commit_one(store, made), Committed)
        assert len(await whole_log(store, order_id)) == 1


async def test_a_scan_reads_a_bounded_number_of_its_barcodes_entries(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "MOST_MOVES", 30)
    said: dict[str, Any] = {"related_barcode": "SN-1", "process_step_id": "b" * 24}
    async with opened(path) as store:
        order_id = put_order(path)
        order = await loaded(store, order_id)
        for minute in range(20):
            many = [change(-1, **said) for _ in range(25)]
            at = MORNING + timedelta(minutes=minute)
            order = (await applied(store, order, *many, at=at)).order
    with closing(sqlite3.connect(path)) as db:
        steps: list[None] = []
        db.set_progress_handler(lambda: steps.append(None), 10)
        evidence = reads.read_evidence(db, EvidenceQuery(order_id, barcodes=frozenset({"SN-1"})))

    assert evidence.unbinds["SN-1"].seq == 500
    assert len(steps) < 100
