"""The command that moves old entries of the log, and brings them back, on a file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from actors.store.sqlite.store import FILE_NAME, SqliteStore
from scripts import archive
from tests.contract.backdoor import SqliteBackdoor
from tests.contract.cases import old_log_document, order_document

if TYPE_CHECKING:
    from pathlib import Path

_YEARS_AGO = datetime.now(UTC) - timedelta(days=800)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MONGODB_URI", raising=False)
    return tmp_path


def _file(folder: Path) -> SqliteBackdoor:
    async def made() -> None:
        store = SqliteStore(folder / FILE_NAME)
        await store.open()
        await store.close()

    asyncio.run(made())
    return SqliteBackdoor(folder / FILE_NAME)


def test_it_says_what_it_would_do_does_it_and_takes_it_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backdoor, order = _file(folder), order_document(status="COMPLETED")
    backdoor.put_order(order)
    order_id = order["_id"]
    backdoor.put_logs([old_log_document(order_id, operateTime=_YEARS_AGO) for _ in range(3)])

    def says(*argv: str) -> str:
        assert archive.main(argv) == 0
        return capsys.readouterr().out

    assert (
        says("--days", "900")
        == "0 entries of 0 orders would be moved to the archive (--yes does it)\n"
    )
    monkeypatch.setenv("LOG_RETENTION_DAYS", "730")
    assert "3 entries of 1 orders would be moved" in says()
    assert len(backdoor.logs(order_id)) == 3
    assert says("--yes") == "3 entries of 1 orders moved to the archive\n"
    assert backdoor.logs(order_id) == []
    assert "3 entries of 1 orders would be brought back" in says("--restore", "--all")
    assert "0 entries of 0 orders" in says("--restore", "0" * 24)
    assert says("--restore", order_id.upper(), "--yes") == "3 entries of 1 orders brought back\n"
    assert len(backdoor.logs(order_id)) == 3
    assert says("--restore", "--all", "--yes") == "0 entries of 0 orders brought back\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["--all"],
        ["--restore"],
        ["--restore", "x"],
        ["--restore", "0" * 24, "--all"],
        ["--days", "0"],
    ],
)
def test_what_is_not_understood_is_told(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        archive.main(argv)
    assert ended.value.code == 2


def test_without_days_or_a_database_nothing_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert archive.main([]) == 2
    assert "LOG_RETENTION_DAYS" in capsys.readouterr().err
    (folder / FILE_NAME).write_text("no database")
    assert archive.main(["--days", "1"]) == 1
    assert "does not answer" in capsys.readouterr().err
    monkeypatch.setenv("SHIFTS", "never")
    assert archive.main(["--days", "1"]) == 2
