"""Processes die by SIGKILL under load: nothing is lost, nothing doubled, nobody lends a hand.

`python -m scripts.crash --kills 20` does the same for longer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.servers import MongoReplicaSet, MongoServer
from tests.service.crash import kill_the_database, kill_the_node
from tests.service.places import mongo_place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.places import Place

KILLS = int(os.environ.get("CRASH_KILLS", "3"))
SEED = 20261123
ENVIRONMENT = {"LEASE_TTL": "1"}
"""A lease outlives a killed node, for no longer than that."""


@pytest.mark.long
@pytest.mark.timeout(300 + 60 * KILLS)
async def test_a_node_killed_at_any_moment_loses_nothing_and_doubles_nothing(place: Place) -> None:
    report = await kill_the_node(place, kills=KILLS, seed=SEED)

    assert report.mistakes == []
    assert len(report.cut) == KILLS
    assert min(report.cut) >= 1
    assert report.calls >= 100


@pytest.mark.long
@pytest.mark.parametrize("store", ["standalone", "replica-set"])
async def test_mongod_killed_under_a_running_node_loses_nothing_and_doubles_nothing(
    store: str, tmp_path: Path
) -> None:
    folder = tmp_path / "mongo"
    environment = {"LEASE_TTL": "2", "REQUEST_TIMEOUT_S": "4"}
    made = MongoServer(folder) if store == "standalone" else MongoReplicaSet(folder)
    with made as server, mongo_place(store, server, "crash", tmp_path, environment) as place:
        report = await kill_the_database(place, server, kills=2, seed=SEED)

        assert report.mistakes == []
        assert report.codes is not None
        assert report.codes["SERVICE_UNAVAILABLE"] + report.codes["TIMEOUT"] >= 10
        assert len(place.node.events("service_started")) == 1
