"""A write-ahead log that is taken away under an open SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.errors import OutcomeUnknown, StoreUnavailable
from actors.store.sqlite.file import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GONE = "-wal was removed or replaced"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    file = SqliteFile(tmp_path / "orders.db", 1)
    file.open()
    yield file
    file.close()


def test_nothing_is_read_or_written_once_the_log_is_gone(file: SqliteFile, tmp_path: Path) -> None:
    (tmp_path / "orders.db-wal").unlink()
    with pytest.raises(StoreUnavailable, match=_GONE), file.writing():
        pass
    with pytest.raises(StoreUnavailable, match=_GONE), file.reading():
        pass


def test_a_commit_into_a_log_that_went_meanwhile_is_not_acknowledged(
    file: SqliteFile, tmp_path: Path
) -> None:
    def write() -> None:
        with file.writing() as db:
            db.execute("INSERT INTO state VALUES ('x', 1, NULL)")
            (tmp_path / "orders.db-wal").unlink()

    with pytest.raises(OutcomeUnknown, match=_GONE):
        write()


def test_a_log_of_somebody_else_is_noticed(file: SqliteFile, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes((tmp_path / "orders.db-wal").read_bytes())
    other.replace(tmp_path / "orders.db-wal")
    with pytest.raises(StoreUnavailable, match=_GONE), file.writing():
        pass
