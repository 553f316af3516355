"""One repairer at a time on an order, wherever it runs.

Keys keep what is done from being done twice, locks keep two from deciding at once.
"""

from __future__ import annotations

import fcntl
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from actors.store.schema import NODE_STATE
from scripts.reconcile.mongo import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pymongo.database import Database

    from scripts.reconcile.source import Document

_KEPT: Final = timedelta(minutes=5)
"""After that a lock is taken for left behind."""


class Locked(Exception):
    """Somebody else repairs this order; the text is its id."""


class Locks(Protocol):
    """Locks by order."""

    def held(self, order_id: str) -> AbstractContextManager[None]:
        """Hold an order's lock inside; raises `Locked`, never waits."""
        ...


class MongoLocks:
    """A document for each order that is being repaired, beside what the service keeps."""

    def __init__(self, database: Database[Document]) -> None:
        self._locks = database.get_collection(NODE_STATE, write_concern=WriteConcern("majority"))

    @contextmanager
    def held(self, order_id: str) -> Iterator[None]:
        """Hold the lock; one whose holder died ends after five minutes."""
        now, token = datetime.now(UTC), secrets.token_hex(8)
        name = f"reconcile:{order_id}"
        with reading():
            try:
                self._locks.update_one(
                    {"_id": name, "until": {"$lt": now}},
                    {"$set": {"until": now + _KEPT, "token": token}},
                    upsert=True,
                )
            except DuplicateKeyError:
                raise Locked(order_id) from None
        try:
            yield
        finally:
            self._locks.delete_one({"_id": name, "token": token})


class FileLocks:
    """One lock for all orders of a SQLite file: it ends with the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reconcile.lock"

    @contextmanager
    def held(self, order_id: str) -> Iterator[None]:
        """Hold the lock."""
        with self._path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(order_id) from None
            yield
