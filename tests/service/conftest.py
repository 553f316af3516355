"""A node for each test, on SQLite and on MongoDB; a stand-alone mongod with `--all-stores`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.service.places import OTHER_STORES, STORES, Place, mongo_place, sqlite_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRONMENT = {"LEASE_TTL": "60"}
"""No slow machine loses the lease, nor holds the store to be away; a module may have its own."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a place on each store, unless it names those it wants."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "place" not in metafunc.fixturenames or any("place" in each.args for each in marks):
        return
    others = OTHER_STORES if metafunc.config.getoption("--all-stores") else ()
    metafunc.parametrize("place", [*STORES, *others], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return a node on the store that the parameter names; start it with `place.open`."""
    environment = getattr(request.module, "ENVIRONMENT", ENVIRONMENT)
    with ExitStack() as undo:
        if request.param == "sqlite":
            yield undo.enter_context(sqlite_place(tmp_path, environment))
            return
        fixture = "mongo_standalone" if request.param == "standalone" else "mongo_replica_set"
        server = request.getfixturevalue(fixture)
        database = request.getfixturevalue("database_name")
        yield undo.enter_context(
            mongo_place(request.param, server, database, tmp_path, environment)
        )
