"""Reconcile against a real node: what is put right is an entry of the log, once."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from typer.testing import CliRunner

from scripts.reconcile.__main__ import app
from scripts.reconcile.findings import REPAIRABLE
from tests.contract.backdoor import Backdoor, MongoBackdoor, SqliteBackdoor
from tests.misbooked import START, Account, spoilt
from tests.servers import free_port
from tests.service.http.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from typer.testing import Result

    from tests.servers import MongoServer
    from tests.service.http.conftest import Backend

_ALL = [f"--repair={kind}" for kind in sorted(REPAIRABLE)]


class Desk:
    """Runs the command beside a node, on its database."""

    def __init__(self, settings: dict[str, str], url: str, folder: Path) -> None:
        self.settings, self.url, self.folder = settings, url, folder

    async def run(self, *arguments: str, **settings: str) -> Result:
        """Run it once; its own connections are none of the loop's."""
        command = [*arguments, "--url", self.url]
        environment = {**self.settings, **settings}
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, command, env=environment))

    async def found(self, *arguments: str) -> dict[str, Any]:
        """Run it, and read its report."""
        result = await self.run("--report", "json", *arguments)
        assert result.exit_code in (0, 1), result.output
        report: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == (1 if report["findings"] else 0)
        return report


def _open(backend: Backend, mongo: MongoServer | None) -> Backdoor:
    if mongo is None:
        return SqliteBackdoor(backend.new_store()._file._path)  # type: ignore[attr-defined]  # noqa: SLF001
    return MongoBackdoor(mongo.client(), backend.settings["MONGODB_DB"])


@pytest.fixture
def backdoor(backend: Backend, request: pytest.FixtureRequest) -> Backdoor:
    mongo = request.getfixturevalue("mongo_standalone") if backend.store_name == "mongodb" else None
    return _open(backend, mongo)
