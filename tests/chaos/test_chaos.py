"""Every kind of fault once, on real processes and servers: nothing lost, doubled or overtaken.

`python -m scripts.chaos` does the same for longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.callers import Pace
from tests.chaos.drill import DrillOptions, run_drill
from tests.chaos.faults import FAULTS, FEW, THREE_MEMBERS, WIRED
from tests.chaos.fleet import FleetOptions
from tests.chaos.movers import Lives

SEED = 20261123
PACE = Pace(callers=32, rest_s=0.5, retry_s=0.6)
MOVERS = Lives(rest_s=2.0)
"""Both leave the processors to others most of the time; the long form does not."""


def test_each_fault_has_a_fleet() -> None:
    assert {*WIRED, *THREE_MEMBERS} == FAULTS.keys()


def test_each_fault_is_in_the_page_of_guarantees() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guarantees.md").read_text(encoding="utf-8")
    assert [name for name in FAULTS if f"`{name}`" not in page] == []


# In parts, as several processes run the tests side by side.
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("members", "faults"), [(1, WIRED[0::3]), (1, WIRED[1::3]), (1, WIRED[2::3]), (3, FEW)]
)
def test_whatever_fails_every_promise_is_kept(members: int, faults: tuple[str, ...]) -> None:
    fleet = FleetOptions(members=members, lease_ttl_s=2.0)
    options = DrillOptions(fleet, faults, seed=SEED, short=True, pace=PACE, movers=MOVERS)
    figures = run_drill(options)
    assert not figures.failed, f"{figures.mistakes}\n{figures}"
    assert {each.fault for each in figures.hits} == {*faults}
    assert min(each.in_flight for each in figures.hits) >= 1
    # Each fault is followed by forty final answers, few of them refusals or repeats.
    assert figures.verdict.acknowledged > 20 * len(faults)
