"""A node for each test, on each store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.service.places import STORES, Place, mongo_place, sqlite_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRONMENT = {"LEASE_TTL": "1"}


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return a node on the store that the parameter names; start it with `place.open`."""
    with ExitStack() as undo:
        if request.param == "sqlite":
            yield undo.enter_context(sqlite_place(tmp_path, ENVIRONMENT))
            return
        fixture = "mongo_standalone" if request.param == "standalone" else "mongo_replica_set"
        server = request.getfixturevalue(fixture)
        database = request.getfixturevalue("database_name")
        yield undo.enter_context(
            mongo_place(request.param, server, database, tmp_path, ENVIRONMENT)
        )
