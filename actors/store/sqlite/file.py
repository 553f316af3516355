"""The SQLite file: its schema, one connection to it, and transactions that end or never were."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from actors.errors import OutcomeUnknown, StartupError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID: Final = 0x576F4F73
"""Marks the file as ours, in SQLite's own header field for that."""
_VERSION: Final = 1
# seq is NULL in entries that this service did not write; operate_time is in microseconds.
_ENTRIES: Final = """(
    id TEXT PRIMARY KEY NOT NULL,
    work_order_id TEXT NOT NULL,
    seq INTEGER CHECK (seq > 0),
    operate_time INTEGER,
    change_type TEXT,
    related_barcode TEXT,
    process_step_id TEXT,
    request_key TEXT,
    document TEXT NOT NULL,
    asked ANY GENERATED ALWAYS AS (coalesce(
        json_extract(document, '$.planServer.requestedQuantity'),
        json_extract(document, '$.changeQuantity')
    )) VIRTUAL,
    counts_as TEXT GENERATED ALWAYS AS (CASE
        WHEN change_type IS NOT 'input' OR coalesce(related_barcode, '') = '' THEN NULL
        WHEN asked < 0 THEN 'unbind'
        WHEN asked > 0 AND coalesce(process_step_id, '') <> ''
            AND json_extract(document, '$.barcodeOperation') = 'SCAN_PROCESS' THEN 'scan'
    END) STORED
) STRICT"""
LOG_COLUMNS: Final = (
    "id, work_order_id, seq, operate_time, change_type, related_barcode, process_step_id,"
    " request_key, document"
)
STORED_LOGS: Final = (
    f"(SELECT {LOG_COLUMNS} FROM logs UNION ALL SELECT {LOG_COLUMNS} FROM logs_archive)"  # noqa: S608 constants
)
"""`all_logs` without what is made of the document, which costs where all columns are read."""
LOG_TABLES: Final = ("logs", "logs_archive")
"""An entry is in one of them; `all_logs` is both. With what it is sorted by among what it gives,
a query reads each by its own index."""
_ALL_LOGS: Final = (
    f"SELECT {LOG_COLUMNS}, asked, counts_as FROM logs"  # noqa: S608 constants
    f" UNION ALL SELECT {LOG_COLUMNS}, asked, counts_as FROM logs_archive"
)
_SCHEMA: Final = (
    """CREATE TABLE orders (
        id TEXT PRIMARY KEY NOT NULL,
        document TEXT NOT NULL CHECK (json_valid(document))
    ) STRICT""",
    f"CREATE TABLE logs {_ENTRIES}",
    "CREATE UNIQUE INDEX logs_seq ON logs (work_order_id, seq)",
    "CREATE UNIQUE INDEX logs_request ON logs (request_key) WHERE request_key IS NOT NULL",
    """CREATE INDEX logs_newest_first
        ON logs (work_order_id, operate_time DESC, seq DESC, id DESC)""",
    """CREATE TABLE refusals (
        id TEXT PRIMARY KEY NOT NULL,
        work_order_id TEXT NOT NULL,
        request_key TEXT UNIQUE,
        document TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE materials (
        id TEXT PRIMARY KEY NOT NULL,
        document TEXT NOT NULL CHECK (json_valid(document))
    ) STRICT""",
    "CREATE TABLE state (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL, note TEXT) STRICT",
)
# Added to the file of an earlier release as well; that one leaves them alone.
_INBOX: Final = (
    """CREATE TABLE IF NOT EXISTS inbox (
        id TEXT PRIMARY KEY NOT NULL,
        work_order_id TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        n INTEGER NOT NULL,
        state TEXT NOT NULL,
        dead INTEGER NOT NULL,
        finished_at INTEGER,
        error_code TEXT,
        request_key TEXT UNIQUE,
        document TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS inbox_waiting ON inbox (epoch, n) WHERE state = 'waiting'",
    "CREATE INDEX IF NOT EXISTS inbox_finished ON inbox (state, dead, finished_at)",
    "DROP INDEX IF EXISTS logs_duplicate_check",
    # What people look for: an order by its number, the orders of a barcode.
    """CREATE INDEX IF NOT EXISTS orders_number
        ON orders (json_extract(document, '$.workOrderNo'))""",
    """CREATE INDEX IF NOT EXISTS logs_of_barcode
        ON logs (related_barcode, operate_time DESC) WHERE related_barcode IS NOT NULL""",
    """CREATE TABLE IF NOT EXISTS records (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        at INTEGER NOT NULL,
        fields TEXT NOT NULL,
        PRIMARY KEY (kind, name)
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS records_newest_first ON records (kind, at DESC, name DESC)",
    """CREATE TABLE IF NOT EXISTS operations (
        id TEXT PRIMARY KEY NOT NULL,
        work_order_id TEXT NOT NULL,
        operated_at INTEGER NOT NULL,
        request_key TEXT UNIQUE,
        document TEXT NOT NULL
    ) STRICT""",
    """CREATE INDEX IF NOT EXISTS operations_newest_first
        ON operations (work_order_id, operated_at DESC)""",
    "DROP INDEX IF EXISTS logs_barcode",
    """CREATE INDEX IF NOT EXISTS logs_barcodes
        ON logs (work_order_id, related_barcode, operate_time DESC)
        WHERE related_barcode IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS orders_original
        ON orders (json_extract(document, '$.originalWorkOrderId'))
        WHERE json_extract(document, '$.originalWorkOrderId') IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS logs_time ON logs (operate_time)",
    # Times of roll-ups are in milliseconds, but for the first and last output's.
    """CREATE TABLE IF NOT EXISTS rollups (
        view TEXT NOT NULL,
        level TEXT NOT NULL,
        at INTEGER NOT NULL,
        key ANY,
        input_name ANY,
        output_name ANY,
        input_entries INTEGER NOT NULL,
        output_entries INTEGER NOT NULL,
        input_added REAL NOT NULL,
        input_increases INTEGER NOT NULL,
        input_taken REAL NOT NULL,
        input_decreases INTEGER NOT NULL,
        output_added REAL NOT NULL,
        output_increases INTEGER NOT NULL,
        output_taken REAL NOT NULL,
        output_decreases INTEGER NOT NULL,
        first INTEGER,
        last INTEGER
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS rollups_period ON rollups (view, level, at)",
    """CREATE TABLE IF NOT EXISTS rollup_hours (
        at INTEGER PRIMARY KEY NOT NULL,
        entries INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS rollup_marks (
        hour INTEGER PRIMARY KEY NOT NULL,
        mark TEXT NOT NULL
    ) STRICT""",
    f"CREATE TABLE IF NOT EXISTS logs_archive {_ENTRIES}",
    """CREATE INDEX IF NOT EXISTS archive_request
        ON logs_archive (request_key) WHERE request_key IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS archive_seq ON logs_archive (work_order_id, seq)",
    """CREATE INDEX IF NOT EXISTS archive_newest_first
        ON logs_archive (work_order_id, operate_time DESC, seq DESC, id DESC)""",
    """CREATE INDEX IF NOT EXISTS archive_of_barcode
        ON logs_archive (related_barcode, operate_time DESC) WHERE related_barcode IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS archive_barcodes
        ON logs_archive (work_order_id, related_barcode, operate_time DESC)
        WHERE related_barcode IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS archive_time ON logs_archive (operate_time)",
    # What all that reads entries asks: an entry is in one of the two.
    f"CREATE VIEW IF NOT EXISTS all_logs AS {_ALL_LOGS}",
)
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # Acknowledged means that it survives a power cut: sync at every commit (macOS: for real).
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA cache_size = -16000",
    "PRAGMA journal_size_limit = 67108864",
)
_NOT_COMMITTED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)
"""What COMMIT reports before the record that makes the transaction count is written."""
_RETRY_S: Final = 0.05


class SqliteFile:
    """One connection to the file at `path`; to be used by one thread at a time.

    Another process may use the same file: whoever finds it locked waits up to `timeout_s`.
    One with `read_only` neither makes the file nor changes it; it comes from `reader`.
    """

    def __init__(self, path: Path, timeout_s: float, *, read_only: bool = False) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._mode = "ro" if read_only else "rw"
        self._identity: tuple[int, int] | None = None
        self._wal_identity: tuple[int, int] | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Make the file and its tables where missing; raises `StartupError`."""
        try:
            self._create()
            self._identity = _identify(self._path)
            self._retry_while_locked()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StartupError(f"cannot use the SQLite file {self._path}: {error}") from error
        except StartupError:
            self.close()
            raise

    def reader(self) -> SqliteFile:
        """Connect once more to the file that is open here, for one that only reads."""
        reader = SqliteFile(self._path, self._timeout_s, read_only=True)
        reader._identity = self._identity
        reader._connected()
        return reader

    def close(self) -> None:
        """Close the connection; what it had not committed never was. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Return one snapshot to all queries inside."""
        connection = self._connected()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            self._roll_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Commit durably what is done inside, or nothing of it when that raises.

        Raises:
            OutcomeUnknown: the commit itself failed in a way that leaves open whether it counts.

        """
        connection = self._connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
        except BaseException:
            self._roll_back(connection)
            raise
        self._commit(connection)

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # A new connection reads from the file what counts.
            self.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_COMMITTED:
                raise
            raise OutcomeUnknown(f"SQLite could not finish a commit: {error}") from error
        try:
            self._check_files()
        except (StoreUnavailable, OSError) as error:
            raise OutcomeUnknown(f"SQLite committed to a file that is gone: {error}") from error

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()

    def _connected(self) -> sqlite3.Connection:
        self._check_files()
        if self._connection is None:
            self._connection = self._connect()
            self._wal_identity = _identify(self._wal)
        return self._connection

    def _check_files(self) -> None:
        """Raise `StoreUnavailable` where commits would go to a file that nobody finds again."""
        if _identify(self._path) != self._identity:
            raise StoreUnavailable(f"the SQLite file {self._path} was removed or replaced")
        if self._connection is not None and _identify(self._wal) != self._wal_identity:
            raise StoreUnavailable(f"the SQLite file {self._wal} was removed or replaced")

    @property
    def _wal(self) -> Path:
        return self._path.with_name(f"{self._path.name}-wal")

    def _create(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives its own files beside this one the same permissions.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _retry_while_locked(self) -> None:
        # SQLite itself does not wait for the lock that turning to WAL takes.
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                self._connection = self._connect()
                self._wal_identity = _identify(self._wal)
                self._ensure_schema()
            except sqlite3.OperationalError as error:
                self.close()
                locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not locked or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)
            else:
                return

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={self._mode}",
            uri=True,
            timeout=self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma).fetchall()
            # Opens the log, so that its identity is known from now on.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _ensure_schema(self) -> None:
        with self.writing() as connection:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if mode != "wal":
                raise StartupError(f"the folder of {self._path} does not support SQLite's WAL mode")
            if mark == _APPLICATION_ID and version == _VERSION:
                for statement in _INBOX:
                    connection.execute(statement)
                return
            if mark == _APPLICATION_ID:
                raise StartupError(f"{self._path} was made by another release (format {version})")
            if tables:
                raise StartupError(f"{self._path} is another program's SQLite file")
            for statement in (*_SCHEMA, *_INBOX):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
