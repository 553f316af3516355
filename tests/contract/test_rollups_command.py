"""The command that keeps roll-ups, on a file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from actors.store.quantities import QuantityQuery
from actors.store.sqlite.store import FILE_NAME, SqliteStore
from scripts import rollups
from tests.contract.backdoor import SqliteBackdoor
from tests.contract.cases import old_log_document, order_document

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_AT = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)


def _added(path: Path) -> float:
    async def asked() -> float:
        store = SqliteStore(path)
        await store.open()
        try:
            query = QuantityQuery(_AT - timedelta(days=1), _AT + timedelta(days=1))
            [[row]] = [part async for part in store.statistics.quantities(query)]
            return row.input.added
        finally:
            await store.close()

    return asyncio.run(asked())


def test_a_rebuild_finds_what_another_program_took_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MONGODB_URI", raising=False)
    path = tmp_path / FILE_NAME
    assert _added(path) == 0
    backdoor, order = SqliteBackdoor(path), order_document()
    entry = old_log_document(order["_id"], operateTime=_AT, changeType="input", changeQuantity=4)
    backdoor.put_log(entry)
    assert rollups.main(["finish"]) == 0
    assert "all is rolled up" in capsys.readouterr().out
    backdoor.delete_logs(order["_id"])
    assert _added(path) == 4
    assert rollups.main(["rebuild"]) == 0
    assert _added(path) == 0
    assert rollups.main(["recheck"]) == 0


def test_a_database_that_cannot_be_used_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("MONGODB_URI", raising=False)
    (tmp_path / FILE_NAME).write_text("no database")
    assert rollups.main(["finish"]) == 1
    assert "does not answer" in capsys.readouterr().err
    monkeypatch.setenv("SHIFTS", "never")
    assert rollups.main(["finish"]) == 2
