"""Rule 3: what an output does to progress, status and end time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.domain.model import OrderState
from actors.domain.rules import apply
from tests.unit.strategies import AT, EARLIER, STATUSES, output_of

if TYPE_CHECKING:
    from actors.domain.model import Number

NOT_COMPLETED = [status for status in STATUSES if status != "COMPLETED"]


def _order(
    output: Number = 0,
    plan: Number | None = 100,
    scrap: Number = 0,
    status: str | None = "IN_PROGRESS",
    progress: Number = 0,
) -> OrderState:
    return OrderState(
        input_quantity=output,
        output_quantity=output,
        plan_production_quantity=plan,
        scrap_quantity=scrap,
        status=status,
        progress=progress,
    )


def _after(order: OrderState, quantity: Number) -> OrderState:
    return apply(order, output_of(quantity), AT)[0]


@pytest.mark.parametrize(
    ("output", "plan", "scrap", "progress"),
    [
        (1, 100, 0, 1),
        (1, 3, 0, 33),
        (2, 3, 0, 66),
        (999, 1000, 0, 99),
        (0.5, 100, 0, 0),
        (50, 100, 25, 40),
        (50, 100, -20, 62),
        (99, 100, -20, 100),
        (0.7, 1, 0, 70),
        (0.29, 1, 0, 29),
        (0.57, 1, 0, 57),
        (1.1, 2.2, 1.1, 33),
        (9, 10, 0.1, 89),
        (0.15, 0.2, 0.1, 50),
    ],
)
def test_progress_is_the_share_of_plan_and_scrap_rounded_down(
    output: Number, plan: Number, scrap: Number, progress: int
) -> None:
    after = _after(_order(plan=plan, scrap=scrap), output)
    assert (after.progress, after.status, after.ended_at) == (progress, "IN_PROGRESS", None)
    assert type(after.progress) is int


@pytest.mark.parametrize(("plan", "scrap"), [(1, -1), (1, -5), (2, -2.5)])
def test_progress_stays_where_plan_and_scrap_are_not_positive(plan: Number, scrap: Number) -> None:
    after = _after(_order(plan=plan, scrap=scrap, progress=42), 0.5)
    assert (after.progress, after.status) == (42, "IN_PROGRESS")


def test_progress_of_a_negative_output_is_zero() -> None:
    assert _after(_order(output=-50, progress=7), 10).progress == 0


@pytest.mark.parametrize("scrap", [0, 5, -5])
@pytest.mark.parametrize("quantity", [-5, 0, 5, 5000])
def test_without_a_plan_progress_and_status_stay(scrap: Number, quantity: Number) -> None:
    order = _order(output=50, plan=None, scrap=scrap, progress=42)
    after = _after(order, quantity)
    assert replace(after, output_quantity=50) == order


def test_a_decrease_pauses_a_completed_order_without_a_plan_too() -> None:
    after = _after(_order(output=5, plan=None, status="COMPLETED", progress=100), -1)
    assert (after.status, after.progress) == ("PAUSED", 100)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("stored", "quantity", "plan", "scrap"),
    [(0, 100, 100, 0), (99, 2, 100, 0), (99.5, 0.5, 100, 0), (0, 100, 100, 50), (0, 9, 5, -5)],
)
def test_output_that_reaches_the_plan_completes_whatever_the_status_was(
    status: str | None, stored: Number, quantity: Number, plan: Number, scrap: Number
) -> None:
    after = _after(_order(stored, plan, scrap, status), quantity)
    assert (after.status, after.progress, after.ended_at) == ("COMPLETED", 100, AT)


@pytest.mark.parametrize("scrap", [0, 5, -5])
@pytest.mark.parametrize("quantity", [0, 1])
def test_any_output_completes_a_plan_of_zero(scrap: Number, quantity: Number) -> None:
    after = _after(_order(plan=0, scrap=scrap), quantity)
    assert (after.status, after.progress, after.ended_at) == ("COMPLETED", 100, AT)


@pytest.mark.parametrize("status", NOT_COMPLETED)
def test_output_that_misses_the_plan_keeps_the_status(status: str | None) -> None:
    after = _after(_order(status=status), 99)
    assert (after.status, after.progress, after.ended_at) == (status, 99, None)


def test_an_increase_short_of_a_raised_plan_leaves_the_order_completed() -> None:
    after = _after(_order(output=100, plan=200, status="COMPLETED", progress=100), 1)
    assert (after.status, after.progress, after.ended_at) == ("COMPLETED", 50, None)


def test_another_output_completes_again_and_moves_the_end_time() -> None:
    order = replace(_order(output=100, status="COMPLETED", progress=100), ended_at=EARLIER)
    after = _after(order, 1)
    assert (after.status, after.progress, after.ended_at) == ("COMPLETED", 100, AT)


@pytest.mark.parametrize(
    ("stored", "quantity", "plan", "progress"),
    [
        (100, -1, 100, 99),
        (120, -10, 100, 100),
        (100, -500, 100, 0),
        (100, -100, 100, 0),
        (5, -5, 0, 77),
        (100, -0.5, 100, 99),
    ],
    ids=["below plan", "still above plan", "cut to 0", "to 0", "plan 0", "by a fraction"],
)
def test_a_decrease_of_a_completed_order_pauses_it(
    stored: Number, quantity: Number, plan: Number, progress: int
) -> None:
    order = replace(_order(stored, plan, 0, "COMPLETED", 77), ended_at=EARLIER)
    after = _after(order, quantity)
    assert (after.status, after.progress, after.ended_at) == ("PAUSED", progress, EARLIER)


@pytest.mark.parametrize(
    ("plan", "progress", "ended_at"),
    [(100, 0, None), (None, 77, None), (0, 100, AT)],
    ids=["short of the plan", "no plan", "plan 0 is reached"],
)
def test_a_decrease_cut_to_nothing_does_not_pause_a_completed_order(
    plan: Number | None, progress: int, ended_at: object
) -> None:
    after = _after(_order(0, plan, 0, "COMPLETED", 77), -5)
    assert (after.status, after.progress, after.ended_at) == ("COMPLETED", progress, ended_at)


@pytest.mark.parametrize("status", NOT_COMPLETED)
def test_a_decrease_that_stays_at_the_plan_completes_an_order_that_was_not(
    status: str | None,
) -> None:
    after = _after(_order(output=110, status=status), -10)
    assert (after.status, after.progress, after.ended_at) == ("COMPLETED", 100, AT)


@pytest.mark.parametrize("status", NOT_COMPLETED)
def test_a_decrease_below_the_plan_keeps_the_status_of_an_order_not_completed(
    status: str | None,
) -> None:
    after = _after(_order(output=50, status=status, progress=50), -10)
    assert (after.status, after.progress, after.ended_at) == (status, 40, None)


@pytest.mark.parametrize("status", ["CANCELLED", "SOMETHING_NEW"])
def test_a_status_that_the_rules_do_not_know_is_kept(status: str) -> None:
    assert _after(_order(status=status), 1).status == status
