"""Processes, machines, the head and front doors fail under load: nothing lost, doubled, overtaken.

`python -m scripts.ray_chaos` does the same for longer.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.ray.faults import FAULTS
from tests.ray.fleet import RayFleet
from tests.shards.drill import run_drill

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(1800),
    # Not by importing it, which reads the environment for good.
    pytest.mark.skipif(
        find_spec("ray") is None, reason="Ray is not installed: scripts/ray-test.sh runs these"
    ),
]


def test_whatever_fails_every_promise_is_kept() -> None:
    figures = run_drill(RayFleet, FAULTS, FAULTS, seed=20261126, say=print)
    assert not figures.failed, f"{figures.mistakes}\n{figures}"
    assert {each.fault for each in figures.hits} == {*FAULTS}
    assert figures.fence_rejections
    # Each is followed by forty final answers of each shard, few of them refusals or repeats.
    assert figures.verdict.acknowledged > 40 * len(FAULTS)
