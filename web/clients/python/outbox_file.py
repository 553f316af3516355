"""The outbox's SQLite file: updates that wait for the service, and those that it refused.

Blocking, and to be used from one thread. Several processes of one host may have it open: SQLite
makes them take turns, and a lock file beside it lets one of them replay.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .results import Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_APPLICATION_ID: Final = 0x576F4F62
"""Marks the file as ours, in SQLite's own header field for that."""
_VERSION: Final = 1
_SCHEMA: Final = (
    # AUTOINCREMENT: an id is never used again, so ids are the order of arrival for ever.
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        work_order_id TEXT NOT NULL,
        request_id TEXT NOT NULL,
        item TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        queued_at REAL NOT NULL,
        UNIQUE (work_order_id, request_id)
    ) STRICT""",
    """CREATE TABLE dead_letters (
        id INTEGER PRIMARY KEY NOT NULL,
        work_order_id TEXT NOT NULL,
        request_id TEXT NOT NULL,
        item TEXT NOT NULL,
        code TEXT NOT NULL,
        reason TEXT NOT NULL,
        queued_at REAL NOT NULL,
        died_at REAL NOT NULL,
        told INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    # Counting 100,000 rows at each insert would take longer than the insert.
    "CREATE TABLE usage (entries INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT",
    "INSERT INTO usage VALUES (0, 0)",
    """CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
        UPDATE usage SET entries = entries + 1, bytes = bytes + new.bytes;
    END""",
    """CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
        UPDATE usage SET entries = entries - 1, bytes = bytes - old.bytes;
    END""",
)
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # Answered means that it survives a power cut: sync at every commit (macOS: for real).
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA journal_size_limit = 16777216",
)
_RETRY_S: Final = 0.05
_TURN_S: Final = (0.001, 0.008)
"""Between two tries to write; a commit takes about as long."""


class OutboxUnusable(Exception):
    """The outbox's file can't be opened, read or written; the text says why."""


class OutboxFull(Exception):
    """The outbox holds as much as it may."""


class KeyTaken(Exception):
    """The key waits already, for the same order with another content."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An update that waits."""

    id: int
    update: Update
    tries: int
    """How often the service failed on it, by 500."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An update that the service refused for good when it was replayed."""

    id: int
    work_order_id: str
    request_id: str
    item: str
    """The change as JSON."""
    code: str
    reason: str
    queued_at: float
    """Seconds since 1970, as `died_at`."""
    died_at: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What the outbox holds."""

    entries: int
    bytes: int
    dead_letters: int
    oldest_s: float | None
    """How long the first entry has waited."""


class OutboxFile:
    """One connection to the file at `path`, within limits."""

    def __init__(self, path: Path, max_entries: int, max_bytes: int, timeout_s: float) -> None:
        self._path = path
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None

    def open(self) -> None:
        """Make the file where it is missing; raises `OutboxUnusable`, and then changes nothing."""
        deadline = time.monotonic() + self._timeout_s
        while self._connection is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = self._connect()
                self._ensure_schema(self._connection)
            except sqlite3.Error as error:
                self.close()
                # SQLite does not wait for the lock that turning to WAL takes.
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise self._unusable(error) from error
                time.sleep(_RETRY_S)
            except OSError as error:
                raise self._unusable(error) from error
            except OutboxUnusable:
                self.close()
                raise

    def close(self) -> None:
        """Close the file and stop replaying; what was answered stays. Idempotent."""
        self.stop_replaying()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    # -- callers -----------------------------------------------------------------------------

    def waiting(self, orders: Iterable[str]) -> set[str]:
        """Return those orders of which an update waits, of whichever process."""
        found = "SELECT 1 FROM entries WHERE work_order_id = ? LIMIT 1"
        return {order for order in orders if self._rows(found, order)}

    def put(self, updates: Sequence[Update]) -> list[int | Exception]:
        """Keep updates durably, in one commit.

        Gives for each the number that waits now, or why it was not kept: `OutboxFull`,
        `KeyTaken`. A key that waits already is not kept twice.
        """
        with self._writing() as connection:
            return [self._put(connection, update) for update in updates]

    def usage(self) -> Usage:
        """Count."""
        [(entries, size, dead, oldest)] = self._rows(
            "SELECT entries, bytes, (SELECT count(*) FROM dead_letters),"
            " (SELECT queued_at FROM entries ORDER BY id LIMIT 1) FROM usage"
        )
        return Usage(entries, size, dead, None if oldest is None else time.time() - oldest)

    def _put(self, connection: sqlite3.Connection, update: Update) -> int | Exception:
        row = connection.execute(
            "SELECT item FROM entries WHERE work_order_id = ? AND request_id = ?",
            (update.order, update.key),
        ).fetchone()
        entries, size = connection.execute("SELECT entries, bytes FROM usage").fetchone()
        if row is not None:
            return int(entries) if row[0] == update.text else KeyTaken(update.key)
        length = len(update.text.encode())
        if entries >= self._max_entries or size + length > self._max_bytes:
            return OutboxFull(f"{entries} updates of {size} bytes wait")
        connection.execute(
            "INSERT INTO entries (work_order_id, request_id, item, bytes, queued_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (update.order, update.key, update.text, length, time.time()),
        )
        return int(entries) + 1

    # -- the replayer ------------------------------------------------------------------------

    def start_replaying(self) -> bool:
        """Take the lock that lets one process replay; the kernel frees it when that ends."""
        if self._lock is not None:
            return True
        name = self._path.with_name(f"{self._path.name}.lock")
        try:
            lock = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def stop_replaying(self) -> None:
        """Give the lock up. Idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            # Closing is not enough where a process was forked meanwhile: it has the file open too.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def first(self, limit: int, max_bytes: int, without: Iterable[str] = ()) -> list[Entry]:
        """Return the entries that have waited longest, leaving out those of some orders."""
        left_out = list(without)
        marks = ", ".join("?" * len(left_out))
        rows = self._rows(
            "SELECT id, work_order_id, request_id, item, tries, bytes FROM entries"  # noqa: S608 -- marks only
            f" WHERE work_order_id NOT IN ({marks}) ORDER BY id LIMIT ?",
            *left_out,
            limit,
        )
        entries: list[Entry] = []
        size = 0
        for number, order, key, item, tries, length in rows:
            size += length
            if entries and size > max_bytes:
                break
            entries.append(Entry(number, Update(order, key, item), tries))
        return entries

    def settle(
        self,
        done: Sequence[Entry],
        dead: Sequence[tuple[Entry, str, str]],
        failed: Sequence[Entry] = (),
    ) -> None:
        """Remove what was applied, move what was refused (with code and reason), count failures."""
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO dead_letters"
                " (id, work_order_id, request_id, item, code, reason, queued_at, died_at)"
                " SELECT id, work_order_id, request_id, item, ?, ?, queued_at, ?"
                " FROM entries WHERE id = ?",
                [(code, reason, time.time(), entry.id) for entry, code, reason in dead],
            )
            gone = [*done, *(entry for entry, _, _ in dead)]
            connection.executemany(
                "DELETE FROM entries WHERE id = ?", [(entry.id,) for entry in gone]
            )
            connection.executemany(
                "UPDATE entries SET tries = tries + 1 WHERE id = ?",
                [(entry.id,) for entry in failed],
            )

    def dead_letters(self, *, untold: bool = False, limit: int = 1000) -> list[DeadLetter]:
        """Return the refused ones, oldest first; or only those that no callback was told of."""
        rows = self._rows(
            "SELECT id, work_order_id, request_id, item, code, reason, queued_at, died_at"
            " FROM dead_letters WHERE told <= ? ORDER BY id LIMIT ?",
            0 if untold else 1,
            limit,
        )
        return [DeadLetter(*row) for row in rows]

    def told(self, letter: DeadLetter) -> None:
        """Note that the callback has been told."""
        with self._writing() as connection:
            connection.execute("UPDATE dead_letters SET told = 1 WHERE id = ?", (letter.id,))

    def forget(self, letter: DeadLetter) -> None:
        """Remove a dead letter that somebody has seen to."""
        with self._writing() as connection:
            connection.execute("DELETE FROM dead_letters WHERE id = ?", (letter.id,))

    # -- SQLite ------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            # The thread that opens it may end before the one that closes it begins.
            self._path,
            timeout=self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma).fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _ensure_schema(self, connection: sqlite3.Connection) -> None:
        with self._writing():
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if mark == _APPLICATION_ID and version == _VERSION:
                return
            if mark == _APPLICATION_ID:
                raise OutboxUnusable(f"{self._path} was made by another release ({version})")
            if tables:
                raise OutboxUnusable(f"{self._path} is another program's SQLite file")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connected()
        try:
            self._begin(connection)
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error) and self._connection is connection:
                raise self._unusable(error) from error
            raise

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Wait for the turn to write.

        SQLite itself asks ever more seldom, so that among many processes who has waited longest
        waits longest.
        """
        deadline = time.monotonic() + self._timeout_s
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._try_to_begin(connection, deadline):
                time.sleep(random.uniform(*_TURN_S))  # noqa: S311 -- jitter
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(1000 * self._timeout_s)}")

    @staticmethod
    def _try_to_begin(connection: sqlite3.Connection, deadline: float) -> bool:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            return False
        return True

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connected().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return rows

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OutboxUnusable(f"the outbox {self._path} is not open")
        return self._connection

    def _unusable(self, error: Exception) -> OutboxUnusable:
        return OutboxUnusable(f"the outbox {self._path} can't be used: {error}")
