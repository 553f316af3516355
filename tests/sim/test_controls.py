from __future__ import annotations

import pytest

from tests.sim.controls import CONTROLS
from tests.sim.pool import run_seeds


@pytest.mark.parametrize("name", CONTROLS)
def test_a_safeguard_that_is_taken_out_is_missed(name: str) -> None:
    control = CONTROLS[name]
    # It shows within a few seeds, which a second process would take longer to begin with.
    figures = run_seeds(0, control.seeds, jobs=1, control=name, until_found=True)
    assert figures.violations > 0
