"""What is kept for operators, in a table of the SQLite file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from actors.store.records import Record

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from actors.store.sqlite.file import SqliteFile
    from actors.store.sqlite.threads import SqliteThreads

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PUT: Final = "INSERT OR REPLACE INTO records (kind, name, at, fields) VALUES (?, ?, ?, ?)"
_READ: Final = (
    "SELECT name, at, fields FROM records WHERE kind = ? AND at >= ?"
    " ORDER BY at DESC, name DESC LIMIT ? OFFSET ?"
)
_ALWAYS: Final = -(2**62)


class SqliteRecords:
    """Implements `actors.store.records.Records`; `threads` work on `file`."""

    def __init__(self, file: SqliteFile, threads: SqliteThreads) -> None:
        self._file, self._threads = file, threads

    async def put(self, records: Sequence[Record]) -> None:
        """Replace or insert, all in one transaction."""
        rows = [
            (each.kind, each.name, _milliseconds(each.at), orjson.dumps(dict(each.fields)).decode())
            for each in records
        ]
        await self._write(lambda db: db.executemany(_PUT, rows))

    async def read(
        self, kind: str, *, limit: int, since: datetime | None = None, skip: int = 0
    ) -> list[Record]:
        """Read the newest; what is spoilt is left out."""
        least = _ALWAYS if since is None else _milliseconds(since)

        def work(db: sqlite3.Connection) -> list[tuple[str, int, str]]:
            return db.execute(_READ, (kind, least, limit, skip)).fetchall()

        rows = await self._threads.read(work)
        return [
            Record(kind, name, _EPOCH + timedelta(milliseconds=at), fields)
            for name, at, text in rows
            if (fields := _decoded(text)) is not None
        ]

    async def count(self, kind: str) -> int:
        """Count them."""
        statement = "SELECT count(*) FROM records WHERE kind = ?"
        return int(
            await self._threads.read(lambda db: db.execute(statement, (kind,)).fetchone()[0])
        )

    async def remove(self, kind: str, name: str) -> None:
        """Delete one."""
        statement = "DELETE FROM records WHERE kind = ? AND name = ?"
        await self._write(lambda db: db.execute(statement, (kind, name)))

    async def trim(self, kind: str, before: datetime) -> None:
        """Delete the older ones."""
        statement = "DELETE FROM records WHERE kind = ? AND at < ?"
        await self._write(lambda db: db.execute(statement, (kind, _milliseconds(before))))

    async def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        def run() -> None:
            with self._file.writing() as db:
                work(db)

        await self._threads.run(run)


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _decoded(text: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
