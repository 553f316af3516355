"""Random histories of faults, crashes, foreign edits and zombies: nothing lost, nothing doubled.

A seed is one history; run one alone with `-k "[1700]" --hypothesis-profile=thorough`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples import examples
from tests.unit.actors.audit import mistakes_in
from tests.unit.actors.chaos import Chaos
from tests.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from tests.fakes import Check

SEEDS = range(examples(100))
CONTROL_SEEDS = range(40)


def mistakes_of(seed: int, *without: Check) -> list[str]:
    """Live through one history, on a store that lacks some checks; name what went wrong."""
    found: list[str] = []

    async def live() -> None:
        history = Chaos(seed, frozenset(without))
        await history.run()
        found.extend(mistakes_in(history))

    run_in_virtual_time(live())
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_update_is_applied_once_or_not_at_all_as_its_caller_was_told(seed: int) -> None:
    assert mistakes_of(seed) == [], f"seed {seed}"


def _fails(seed: int, without: Check) -> bool:
    try:
        return bool(mistakes_of(seed, without))
    except (AssertionError, TimeoutError):  # it never came to rest
        return True


@pytest.mark.parametrize("without", ["turn", "state", "keys", "outbox"])
def test_a_store_that_lacks_a_check_is_found_out(without: Check) -> None:
    assert any(_fails(seed, without) for seed in CONTROL_SEEDS), f"{without} makes no difference"
