"""The SQLite file, read beside the service: a snapshot for each batch, none that lasts."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import orjson

from actors.store.values import order_time, time_from
from scripts.reconcile.rows import Row, row_of
from scripts.reconcile.source import Left, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from scripts.reconcile.source import Document

_ORDERS_AT_ONCE: Final = 500
_TIMEOUT_S: Final = 10.0
_BY_ORDER: Final = (
    "SELECT work_order_id, document, operate_time, seq, id FROM {}"
    " WHERE work_order_id > ? AND work_order_id <= ?"
    " ORDER BY work_order_id, operate_time DESC, seq DESC, id DESC"
)
_AFTER_ALL: Final = "\U0010ffff"
_LEFT: Final = (
    "SELECT id, work_order_id, state, document FROM inbox WHERE {}"
    " ORDER BY json_extract(document, '$.receivedAt') LIMIT ?"
)


class SqliteSource:
    """Reads the file at `path`."""

    id_type: type = str

    def __init__(self, path: Path) -> None:
        with _reading():
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=_TIMEOUT_S,
                isolation_level=None,
            )
        # A file that only an earlier release has opened has no archive.
        both = self._all("SELECT count(*) FROM sqlite_master WHERE name = 'all_logs'")[0][0]
        self._logs = "all_logs" if both else "logs"

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def batches(self) -> Iterator[Sequence[tuple[str, Document]]]:
        """Read all orders."""
        above = ""
        while True:
            found = self._all(
                "SELECT id, document FROM orders WHERE id > ? ORDER BY id LIMIT ?",
                above,
                _ORDERS_AT_ONCE,
            )
            if not found:
                return
            yield [(order_id, orjson.loads(text)) for order_id, text in found]
            above = found[-1][0]

    def groups(self, above: str, to: str) -> Iterator[tuple[str, list[Row]]]:
        """Read the log by an index."""
        with _reading():
            rows = self._db.execute(_BY_ORDER.format(self._logs), (above, to or _AFTER_ALL))
            for order_id, entries in groupby(rows, lambda row: row[0]):
                yield order_id, [_row(text) for _, text, *_ in entries]

    def strays(self) -> Mapping[str, list[Row]]:
        """Return none: a column has one type."""
        return {}

    def book(self, order_id: str) -> tuple[Document | None, list[Row]]:
        """Read an order and its log in one snapshot."""
        with _reading():
            self._db.execute("BEGIN")
            try:
                found = self._all("SELECT document FROM orders WHERE id = ?", order_id)
                texts = self._all(
                    f"SELECT document FROM {self._logs} WHERE work_order_id = ?",  # noqa: S608 constants
                    order_id,
                )
            finally:
                self._db.execute("COMMIT")
        return (orjson.loads(found[0][0]) if found else None), [_row(text) for (text,) in texts]

    def orders_of(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """Read orders by id."""
        found = [
            row
            for each in ids
            for row in self._all("SELECT id, document FROM orders WHERE id = ?", each)
        ]
        return {order_id: orjson.loads(text) for order_id, text in found}

    def supplements(self) -> Iterator[Document]:
        """Read orders that name an original."""
        found = self._all(
            "SELECT document FROM orders"
            " WHERE json_extract(document, '$.originalWorkOrderId') IS NOT NULL"
        )
        return (orjson.loads(text) for (text,) in found)

    def left(self, limit: int) -> Sequence[Left]:
        """Read what waits in the inbox, and what was given up."""
        waiting = self._all(_LEFT.format("state = 'waiting'"), limit)
        dead = self._all(_LEFT.format("state = 'failed' AND dead = 1"), limit)
        return [
            Left(job, order, state == "failed", order_time(orjson.loads(text).get("receivedAt")))
            for job, order, state, text in (*waiting, *dead)
        ]

    def size(self) -> int:
        """Count the log."""
        return int(self._all(f"SELECT count(*) FROM {self._logs}")[0][0])  # noqa: S608 constants

    def _all(self, statement: str, *values: object) -> list[Any]:
        with _reading():
            return self._db.execute(statement, values).fetchall()


def _row(text: str) -> Row:
    document = orjson.loads(text)
    at = document.get("operateTime")
    document["operateTime"] = time_from(at) or at
    return row_of(document, str)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unreadable(f"SQLite: {error}") from error
