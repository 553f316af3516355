from __future__ import annotations

import pytest

from tests.sim.figures import replay
from tests.sim.pool import digests, run_seeds

_SEEDS = 300
"""Each of the negative controls shows thrice within a quarter of that; `scripts.simulate` runs
2,000 and more."""


@pytest.mark.timeout(600)
def test_no_seed_breaks_a_promise_and_the_faults_hit_work_in_flight() -> None:
    figures = run_seeds(0, _SEEDS)
    assert figures.violations == 0, "\n".join(map(replay, figures.failures)) + f"\n{figures}"
    assert figures.counts["seeds"] == _SEEDS
    assert figures.counts["acknowledged"] > 10 * _SEEDS
    assert min(figures.hits[each] for each in ("kill", "pause", "lease flushed")) > 10
    assert figures.hits["mover killed"] > 10
    assert figures.counts["entries archived or brought back"] > _SEEDS
    assert min(figures.hits[f"commit: {each}"] for each in ("late", "reply lost", "twice")) > 10


def test_the_same_seed_gives_the_same_history_in_any_process() -> None:
    first, second = digests(0, 20), digests(0, 20)
    assert first == second
    assert len(set(first.values())) == 20
    assert digests(19, 20)[19] == first[19]
