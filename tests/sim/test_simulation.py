from __future__ import annotations

import pytest

from tests.sim.figures import replay
from tests.sim.pool import digests, run_seeds

_SEEDS = 200
"""Each of the negative controls shows thrice within 75; `scripts.simulate` runs 2,000 and more."""
_LEAST = _SEEDS // 30
"""Faults of a kind that hit work in flight."""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_seed_breaks_a_promise_and_the_faults_hit_work_in_flight() -> None:
    figures = run_seeds(0, _SEEDS)
    assert figures.violations == 0, "\n".join(map(replay, figures.failures)) + f"\n{figures}"
    assert figures.counts["seeds"] == _SEEDS
    assert figures.counts["acknowledged"] > 10 * _SEEDS
    assert min(figures.hits[each] for each in ("kill", "pause", "lease flushed")) > _LEAST
    assert figures.hits["mover killed"] > _LEAST
    assert figures.counts["entries archived or brought back"] > _SEEDS
    assert min(figures.hits[f"commit: {each}"] for each in ("late", "reply lost", "twice")) > _LEAST


def test_the_same_seed_gives_the_same_history_in_any_process() -> None:
    first, second = digests(0, 10), digests(0, 10)
    assert first == second
    assert len(set(first.values())) == 10
    assert digests(9, 10)[9] == first[9]
