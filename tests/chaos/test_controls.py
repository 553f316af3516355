"""Each safeguard, taken out of real nodes on real servers, is missed by the checker."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from actors.store.mongo.store import MongoStore
from tests.chaos import movers
from tests.chaos.checker import check, read_books
from tests.chaos.controls import CONTROLS, MOVERS
from tests.chaos.drill import DrillOptions, run_drill
from tests.chaos.fleet import FleetOptions, orders_from
from tests.chaos.history import Attempt, Intent, Story
from tests.chaos.recount import check_database
from tests.contract.backdoor import MongoBackdoor
from tests.contract.cases import FIRST, applied, output

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Databases, MongoServer

# One order: whatever is broken hits it again and again.
_FLEET = FleetOptions(orders=1, lease_ttl_s=1.0)
_TRIES = 5
_CASES = {
    "fence": ("pause_before_cas", {"lost", "gaps or forks"}),
    "key": ("race_passivation", {"doubled", "disagreeing retries"}),
    "early reply": ("kill_before_cas", {"lost"}),
    "w:1": ("roll_back", {"lost"}),
    "outbox": ("kill_while_log_hangs", {"lost", "gaps or forks"}),
}


def test_each_control_has_its_case() -> None:
    assert _CASES.keys() == CONTROLS.keys()


@pytest.mark.long
@pytest.mark.parametrize("control", _CASES)
def test_a_safeguard_that_is_taken_out_is_missed(control: str, tmp_path: Path) -> None:
    fault, expected = _CASES[control]
    members = 3 if control == "w:1" else 1
    fleet = replace(_FLEET, control=control, members=members)
    shown = ""
    for seed in range(1, _TRIES + 1):  # a race that need not be lost each time
        keep = tmp_path / str(seed)
        options = DrillOptions(fleet, [fault], seed, short=True, operators=False, keep=keep)
        figures = run_drill(options)
        if expected & figures.verdict.found.keys():
            return
        shown = f"{shown}\n{figures}"
    pytest.fail(shown)


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("none", set()),
        (
            "an entry stays in both places",
            {"doubled", "gaps or forks", "sum mismatches", "statistics off"},
        ),
        (
            "an entry is in neither place",
            {"lost", "gaps or forks", "sum mismatches", "reconcile findings"},
        ),
    ],
)
async def test_a_mover_that_does_not_keep_entries_in_one_place_is_seen(
    control: str,
    expected: set[str],
    mongo_standalone: MongoServer,
    databases: Databases,
    database_name: str,
) -> None:
    backdoor = MongoBackdoor(databases.client(mongo_standalone), database_name)
    [order] = orders_from(0, 1)
    backdoor.put_order(order)
    store = MongoStore(mongo_standalone.uri, database_name)
    await store.open()
    try:
        made = await applied(store, order["_id"], output(order["planQuantity"], key="k1"))
        await store.trim(FIRST, [made.order])
        rng = Random(1)  # noqa: S311 -- not a secret
        archive = MOVERS.get(control, movers.NappingArchive)(store, rng, naps=(0.0,))
        await archive.move(movers.EVER)
    finally:
        await store.close()
    assert len(backdoor.archived(order["_id"])) == (control != "an entry is in neither place")

    [entry] = made.changes.outcomes
    told = {"jobId": entry.change.job_id, "seq": 1, "quantity": 20}
    told |= {"beforeQuantity": 0, "afterQuantity": 20}
    story = Story(Intent("k1", order["_id"], "output", 20))
    story.attempts.append(Attempt(0.0, "first", 0, 1.0, 200, "UPDATED", told))
    found = {*check({"k1": story}, read_books(backdoor, [order])).found}
    found |= {kind for kind, _ in await check_database(mongo_standalone.uri, backdoor, ())}
    assert found == expected
