"""Kinds of faults that come together: each as often as it should, none far ahead of the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from tests.chaos.barrage import ROUND, Barrage
from tests.chaos.figures import COUNTED

if TYPE_CHECKING:
    from collections import Counter

    import pytest

    from tests.chaos.stage import Stage


class _Stage:
    """Where every fault is over in a moment."""

    def __init__(self) -> None:
        self.fleet = self.callers = self
        self.strikes: list[Any] = []
        self.mistakes: list[str] = []

    def mend(self) -> None:
        self.mended = True

    async def served(self, _count: int) -> None:
        await asyncio.sleep(0)


async def _run(
    stage: _Stage, until: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[Counter[str], list[dict[str, int]]]:
    barrage = Barrage(cast("Stage", stage), 2, until, lambda _: None)
    seen: list[dict[str, int]] = []

    async def pass_by() -> None:
        first = not seen
        seen.append(dict(barrage.done))
        await asyncio.sleep(0)
        if first:
            raise TimeoutError("never came")

    monkeypatch.setattr(barrage, "_faults", dict.fromkeys(ROUND, pass_by))
    monkeypatch.setattr("tests.chaos.barrage._POLL_S", 0)
    await asyncio.wait_for(barrage.run(), 60)
    return barrage.done, seen


async def test_each_kind_comes_so_often_and_all_come_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = _Stage()
    done, seen = await _run(stage, float("inf"), monkeypatch)
    assert done == {kind: 2 * count for kind, count in ROUND.items()}
    assert stage.mistakes == ["kills: TimeoutError('never came')"]
    assert stage.mended
    for each in seen:
        kills, pauses = each.get("kills", 0), each.get("pauses and stalls", 0)
        assert abs(kills - pauses) <= 5, each


async def test_none_begins_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    done, _ = await _run(_Stage(), 0.0, monkeypatch)
    assert not done


def test_the_kinds_are_those_that_the_figures_tell() -> None:
    assert ROUND.keys() == COUNTED.keys()
