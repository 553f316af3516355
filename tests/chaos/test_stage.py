from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from tests.chaos.points import Action, Point, Points
from tests.chaos.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.callers import Callers
    from tests.chaos.fleet import ChaosNode, Fleet


@dataclass
class FakeNode:
    points: Points


@dataclass
class FakeFleet:
    """Whose owner changes: each look finds the next one."""

    owners: list[FakeNode]

    async def owner(self) -> ChaosNode:
        owner = self.owners.pop(0) if len(self.owners) > 1 else self.owners[0]
        return cast("ChaosNode", owner)


@dataclass
class FakeCallers:
    """Whose load brings whoever owns the orders to its points, on the second look."""

    fleet: FakeFleet
    looks: int = 0
    in_flight: int = 1
    meanwhile: Callable[[], object] = field(default=lambda: None)

    async def until(self, condition: Callable[[], bool], _what: str, _within_s: float) -> None:
        self.looks += 1
        if self.looks > 1:
            await self.fleet.owners[0].points.pass_by(Point.BEFORE_LOG)
        if not condition():
            self.meanwhile()
            raise TimeoutError


def stage_of(fleet: FakeFleet, callers: FakeCallers) -> Stage:
    return Stage(cast("Fleet", fleet), cast("Callers", callers), seed=1)


def nodes_in(folder: Path) -> tuple[FakeNode, FakeNode]:
    return FakeNode(Points(folder / "a" / "points")), FakeNode(Points(folder / "b" / "points"))


async def test_a_point_follows_the_ownership(tmp_path: Path) -> None:
    first, second = nodes_in(tmp_path)
    fleet = FakeFleet([first, second])
    stage = stage_of(fleet, FakeCallers(fleet))
    hit = await stage.strike_owner_at("stall", Point.BEFORE_LOG, Action.STALL)
    assert hit.points is second.points
    assert not first.points.withdraw(Point.BEFORE_LOG)
    assert [each.fault for each in stage.strikes] == ["stall"]


async def test_a_point_that_was_come_to_while_the_owner_changed_counts(tmp_path: Path) -> None:
    first, second = nodes_in(tmp_path)
    fleet = FakeFleet([first, second])

    def comes_to_it() -> None:
        (tmp_path / "a" / "points" / "before_log").rename(
            tmp_path / "a" / "points" / "before_log.taken"
        )

    stage = stage_of(fleet, FakeCallers(fleet, meanwhile=comes_to_it))
    hit = await stage.bring_owner_to(Point.BEFORE_LOG, Action.STALL)
    assert hit.points is first.points
    assert not second.points.withdraw(Point.BEFORE_LOG)


async def test_a_point_that_no_owner_comes_to_is_disarmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chaos.stage._POINT_DEADLINE_S", 0)
    only, _ = nodes_in(tmp_path)
    fleet = FakeFleet([only])
    stage = stage_of(fleet, FakeCallers(fleet))
    with pytest.raises(TimeoutError, match="before_log"):
        await stage.bring_owner_to(Point.BEFORE_LOG, Action.KILL)
    assert not only.points.withdraw(Point.BEFORE_LOG)
