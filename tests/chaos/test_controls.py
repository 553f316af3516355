"""Each safeguard, taken out of real nodes on real servers, is missed by the checker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.chaos.controls import CONTROLS
from tests.chaos.drill import DrillOptions, run_drill
from tests.chaos.fleet import FleetOptions

if TYPE_CHECKING:
    from pathlib import Path

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
