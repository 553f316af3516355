"""Waiting work in SQLite: a table beside the orders; the fence is in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from actors.domain.job import JOB_UNREADABLE, Job, JobState
from actors.domain.model import JobId, WorkOrderId
from actors.errors import Overtaken, StoreRejected
from actors.store.contexts import request_key
from actors.store.documents import known_outcome
from actors.store.job_documents import job_document, job_from, state_fields
from actors.store.jobs import JobPage, JobQuery, StoredJobs
from actors.store.pages import within
from actors.store.sqlite.rows import log_document, microseconds, to_text
from actors.store.values import time_from

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from actors.domain.evidence import Outcome
    from actors.domain.job import Position, Progress
    from actors.domain.model import Epoch
    from actors.store.sqlite.file import SqliteFile
    from actors.store.sqlite.threads import SqliteThreads

T = TypeVar("T")

_FINISHED: Final = (JobState.COMPLETED.value, JobState.FAILED.value)
_PLACE: Final = "UPDATE inbox SET epoch = ?, n = ? WHERE id = ?"

_PAUSED: Final = "paused:"
"""Begins the names of orders that are paused, in the table of states."""


class SqliteInbox:
    """Implements `actors.store.jobs.Inbox`; `threads` work on `file`."""

    def __init__(self, file: SqliteFile, threads: SqliteThreads) -> None:
        self._file, self._threads = file, threads

    async def add(self, epoch: Epoch, jobs: Sequence[Job]) -> list[Job]:
        """Insert what is missing, unless a higher epoch is claimed."""

        def work(db: sqlite3.Connection) -> list[Job]:
            return [_add(db, job) for job in jobs]

        try:
            return await self._write(epoch, work)
        except TypeError as error:  # what JSON can't hold
            if len(jobs) == 1:
                raise StoreRejected(str(error)) from error
            raise

    async def waiting(self) -> list[Job]:
        """Read all that waits, in order."""
        return await self._read(
            lambda db: _jobs(db, "WHERE state = 'waiting' ORDER BY epoch, n", ())
        )

    async def waiting_ids(self) -> list[JobId]:
        """Read the ids of all that waits."""
        rows = await self._read(
            lambda db: db.execute("SELECT id FROM inbox WHERE state = 'waiting'").fetchall()
        )
        return [JobId(row[0]) for row in rows]

    async def note(self, epoch: Epoch, progress: Sequence[Progress]) -> None:
        """Record what became of jobs."""

        def work(db: sqlite3.Connection) -> None:
            for each in progress:
                document = _document(db, each.job_id)
                if document is None or (
                    each.state is not JobState.COMPLETED and document.get("state") in _FINISHED
                ):
                    continue
                _update(db, document | state_fields(each))

        await self._write(epoch, work)

    async def requeue(
        self, epoch: Epoch, places: Mapping[JobId, Position], state: JobState
    ) -> list[Job]:
        """Let jobs wait at new places."""

        def work(db: sqlite3.Connection) -> list[Job]:
            moved = []
            for job_id, place in places.items():
                document = _document(db, job_id)
                if document is None or document.get("state") != state:
                    continue
                document |= {"epoch": place.epoch, "n": place.n, "state": JobState.WAITING.value}
                document |= {"dead": False, "finishedAt": None}
                if state is not JobState.WAITING:
                    document["forgiven"] = document.get("attempts")
                _update(db, document)
                db.execute(_PLACE, (place.epoch, place.n, job_id))
                moved.append(job_from(document))
            return moved

        return await self._write(epoch, work)

    async def find(self, job_id: JobId) -> Job | None:
        """Read a job."""

        def work(db: sqlite3.Connection) -> Job | None:
            document = _document(db, job_id)
            return None if document is None else job_from(document)

        return await self._threads.read(work)

    async def page(self, query: JobQuery) -> JobPage:
        """Read a page."""
        where, values = _where(query)
        waiting = query.state is JobState.WAITING
        order = "epoch, n" if waiting else "finished_at DESC, id DESC"
        limits = (query.page_size, (query.page - 1) * query.page_size)

        def work(db: sqlite3.Connection) -> JobPage:
            (total,) = db.execute(
                f"SELECT count(*) FROM inbox {where}",  # noqa: S608 constants
                values,
            ).fetchone()
            ordered = f"{where} ORDER BY {order} LIMIT ? OFFSET ?"
            rows = _jobs(db, ordered, (*values, *limits), query.max_bytes)
            return JobPage(total, tuple(rows))

        return await self._threads.read(work)

    async def counts(
        self, work_order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> StoredJobs:
        """Count by state, by the index alone where all are asked for."""
        where, values = _matching(work_order_id, error_code)
        by_state = f"SELECT state, count(*) FROM inbox WHERE TRUE{where} GROUP BY state"  # noqa: S608 constants
        unreadable = (
            "SELECT count(*) FROM inbox WHERE state = 'failed' AND error_code = ?"  # noqa: S608
            f"{where}"
        )

        def work(db: sqlite3.Connection) -> StoredJobs:
            found = dict(db.execute(by_state, values).fetchall())
            (lost,) = db.execute(unreadable, (JOB_UNREADABLE, *values)).fetchone()
            counts = {state.value: found.get(state.value, 0) for state in JobState}
            return StoredJobs(**counts, unreadable=lost)

        return await self._threads.read(work)

    async def remove(self, epoch: Epoch, job_id: JobId, state: JobState) -> bool:
        """Delete one job."""
        statement = "DELETE FROM inbox WHERE id = ? AND state = ?"
        deleted = await self._write(
            epoch, lambda db: db.execute(statement, (job_id, state)).rowcount
        )
        return bool(deleted)

    async def forget(self, epoch: Epoch, before: datetime) -> int:
        """Delete what finished before then."""
        statement = "DELETE FROM inbox WHERE state <> 'waiting' AND finished_at < ?"
        return await self._write(
            epoch, lambda db: db.execute(statement, (microseconds(before),)).rowcount
        )

    async def discard(self, epoch: Epoch, query: JobQuery) -> int:
        """Delete what a query is of."""
        where, values = _where(query)
        statement = f"DELETE FROM inbox {where} AND state <> 'waiting'"  # noqa: S608 constants
        return await self._write(epoch, lambda db: db.execute(statement, values).rowcount)

    async def bound(self, epoch: Epoch, kept: int) -> None:
        """Delete the oldest completed and the oldest refused jobs."""
        statement = (
            "DELETE FROM inbox WHERE state = :state AND NOT dead AND finished_at <="
            " (SELECT finished_at FROM inbox WHERE state = :state AND NOT dead"
            " ORDER BY finished_at DESC LIMIT 1 OFFSET :kept)"
        )

        def work(db: sqlite3.Connection) -> None:
            for state in (JobState.COMPLETED, JobState.FAILED):
                db.execute(statement, {"state": state, "kept": kept})

        await self._write(epoch, work)

    async def outcome(self, job_id: JobId) -> Outcome | None:
        """Look into the log, then into the refusals."""

        def work(db: sqlite3.Connection) -> Outcome | None:
            for table in ("all_logs", "refusals"):
                row = db.execute(
                    f"SELECT document FROM {table} WHERE id = ?",  # noqa: S608 constants
                    (job_id,),
                ).fetchone()
                if row is not None and "planServer" in (document := log_document(row[0])):
                    return known_outcome(document)
            return None

        return await self._threads.read(work)

    async def paused_orders(self) -> frozenset[WorkOrderId]:
        """Read which orders are paused."""
        rows = await self._read(
            lambda db: db.execute(
                "SELECT name FROM state WHERE name GLOB ?", (f"{_PAUSED}*",)
            ).fetchall()
        )
        return frozenset(WorkOrderId(row[0].removeprefix(_PAUSED)) for row in rows)

    async def set_order_paused(self, epoch: Epoch, order_id: WorkOrderId, *, paused: bool) -> None:
        """Remember durably whether an order is paused."""
        statement = (
            "INSERT OR REPLACE INTO state (name, value) VALUES (?, 1)"
            if paused
            else "DELETE FROM state WHERE name = ?"
        )

        def work(db: sqlite3.Connection) -> None:
            db.execute(statement, (f"{_PAUSED}{order_id}",))

        await self._write(epoch, work)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            with self._file.reading() as db:
                return work(db)

        return await self._threads.run(run)

    async def _write(self, epoch: Epoch, work: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            with self._file.writing() as db:
                check_epoch(db, epoch)
                return work(db)

        return await self._threads.run(run)


def check_epoch(db: sqlite3.Connection, epoch: Epoch) -> None:
    """Raise `Overtaken` where a higher epoch is claimed; in the transaction of a write."""
    row = db.execute("SELECT value FROM state WHERE name = 'epoch'").fetchone()
    if row is not None and row[0] > epoch:
        raise Overtaken(epoch, row[0])


def _where(query: JobQuery) -> tuple[str, list[object]]:
    """Return the condition of a query, and its values."""
    where, values = _matching(query.work_order_id, query.error_code)
    if query.dead is not None:
        where += " AND dead" if query.dead else " AND NOT dead"
    if query.finished_before is not None:
        where += " AND (finished_at IS NULL OR finished_at < ?)"
        values.append(microseconds(query.finished_before))
    return f"WHERE state = ?{where}", [query.state.value, *values]


def _matching(
    work_order_id: WorkOrderId | None, error_code: str | None
) -> tuple[str, list[object]]:
    named = {"work_order_id": work_order_id, "error_code": error_code}
    given = {column: value for column, value in named.items() if value is not None}
    return "".join(f" AND {column} = ?" for column in given), [*given.values()]


def _add(db: sqlite3.Connection, job: Job) -> Job:
    key = job.change.request_id
    kept = _jobs(
        db,
        "WHERE id = ? OR request_key = ? LIMIT 1",
        (job.id, None if key is None else request_key(job.work_order_id, key)),
    )
    if kept:
        return kept[0]
    _put(db, job_document(job))
    return job


def _put(db: sqlite3.Connection, document: Mapping[str, Any]) -> None:
    finished_at, error = document["finishedAt"], document["error"]
    db.execute(
        "INSERT OR REPLACE INTO inbox (id, work_order_id, epoch, n, state, dead, finished_at,"
        " error_code, request_key, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document["_id"],
            document["workOrderId"],
            document["epoch"],
            document["n"],
            document["state"],
            document["dead"],
            None if finished_at is None else microseconds(finished_at),
            None if error is None else error["code"],
            document.get("requestKey"),
            to_text(document),
        ),
    )


def _update(db: sqlite3.Connection, document: Mapping[str, Any]) -> None:
    """Store how a job is now; whose it is, and what, may be past knowing."""
    finished_at = document.get("finishedAt")
    error = document.get("error")
    db.execute(
        "UPDATE inbox SET state = ?, dead = ?, finished_at = ?, error_code = ?, document = ?"
        " WHERE id = ?",
        (
            document["state"],
            document["dead"],
            microseconds(finished_at) if isinstance(finished_at, datetime) else None,
            error.get("code") if isinstance(error, dict) else None,
            to_text(document),
            document["_id"],
        ),
    )


def _document(db: sqlite3.Connection, job_id: JobId) -> dict[str, Any] | None:
    row = db.execute("SELECT document FROM inbox WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else _decoded(job_id, row[0])


def _jobs(
    db: sqlite3.Connection, rest: str, values: Sequence[object], max_bytes: int | None = None
) -> list[Job]:
    rows = db.execute(f"SELECT id, document FROM inbox {rest}", values)  # noqa: S608 constants
    return [job_from(_decoded(*row)) for row in within(rows, max_bytes)]


def _decoded(job_id: str, text: str) -> dict[str, Any]:
    """Decode a job's text; where somebody made it something else, little is known of the job."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        return {"_id": job_id}
    for name in ("receivedAt", "finishedAt"):
        document[name] = time_from(document.get(name)) or document.get(name)
    return document | {"_id": job_id}
