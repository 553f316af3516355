"""Rules 1, 2, 5 and 6: which quantity moves, by how much, and what the log says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.domain.model import MAX_QUANTITY, ChangeType, LogEntry, OrderState, default_reason
from actors.domain.rules import QuantityOverflowError, add, apply, normalize
from tests.unit.strategies import (
    AT,
    FACTS,
    ORDER_ID,
    STATUSES,
    input_of,
    make_change,
    output_of,
)

if TYPE_CHECKING:
    from actors.domain.model import Change, Number

ORDER = OrderState(
    input_quantity=10,
    output_quantity=4,
    plan_production_quantity=20,
    scrap_quantity=0,
    status="IN_PROGRESS",
    progress=20,
)

CUTS = [
    (10, -3, -3, 7),
    (10, -10, -10, 0),
    (10, -11, -10, 0),
    (0, -5, 0, 0),
    (5, 0, 0, 5),
    (2, 3, 3, 5),
    (2.5, -2, -2, 0.5),
    (0.3, -0.5, -0.3, 0),
    (0.3, -0.1, -0.1, 0.2),
    (-4, -1, 0, -4),
    (-4, 3, 3, -1),
]
"""Stored, asked, applied, stored afterwards."""


def test_an_input_moves_the_input_quantity_and_nothing_else() -> None:
    assert apply(ORDER, input_of(3), AT) == (replace(ORDER, input_quantity=13), 3)


def test_an_output_moves_the_output_quantity_and_leaves_the_input() -> None:
    after, applied = apply(ORDER, output_of(3), AT)
    assert (after.input_quantity, after.output_quantity, applied) == (10, 7, 3)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("quantity", [-100, -1, 0, 1, 100])
def test_an_input_leaves_status_progress_and_end_time_alone(
    status: str | None, quantity: Number
) -> None:
    order = replace(ORDER, status=status, output_quantity=30)
    after, _ = apply(order, input_of(quantity), AT)
    assert replace(after, input_quantity=order.input_quantity) == order


@pytest.mark.parametrize(("stored", "asked", "applied", "left"), CUTS)
def test_a_decrease_of_the_input_is_cut_to_what_is_there(
    stored: Number, asked: Number, applied: Number, left: Number
) -> None:
    after, really = apply(replace(ORDER, input_quantity=stored), input_of(asked), AT)
    assert (really, after.input_quantity) == (applied, left)


@pytest.mark.parametrize(("stored", "asked", "applied", "left"), CUTS)
def test_a_decrease_of_the_output_is_cut_to_what_is_there(
    stored: Number, asked: Number, applied: Number, left: Number
) -> None:
    after, really = apply(replace(ORDER, output_quantity=stored), output_of(asked), AT)
    assert (really, after.output_quantity) == (applied, left)


@pytest.mark.parametrize(
    ("left", "right", "total"),
    [
        (1, 2, 3),
        (0.1, 0.2, 0.3),
        (0.3, -0.1, 0.2),
        (1.1, 2.2, 3.3),
        (5, 0.7, 5.7),
        (1e-7, 2e-7, 3e-7),
        (MAX_QUANTITY, 1, MAX_QUANTITY + 1),
    ],
)
def test_decimal_fractions_add_up_as_people_add_them(
    left: Number, right: Number, total: Number
) -> None:
    assert add(left, right) == total


def test_a_thousand_tenths_are_a_hundred() -> None:
    order = OrderState()
    for _ in range(1000):
        order, _ = apply(order, input_of(0.1), AT)
    assert order.input_quantity == 100


@pytest.mark.parametrize(
    ("value", "kept"),
    [(5.0, 5), (-2.0, -2), (-0.0, 0), (0.5, 0.5), (7, 7), (float(MAX_QUANTITY), MAX_QUANTITY)],
)
def test_a_whole_float_becomes_the_int_that_it_is(value: Number, kept: Number) -> None:
    assert repr(normalize(value)) == repr(kept)


def test_what_adds_up_to_a_whole_number_is_an_int() -> None:
    after, _ = apply(replace(ORDER, input_quantity=0.5), input_of(0.5), AT)
    assert repr(after.input_quantity) == "1"


@pytest.mark.parametrize("kind", ChangeType)
@pytest.mark.parametrize(
    ("stored", "asked", "result"),
    [
        (MAX_QUANTITY, 1, MAX_QUANTITY + 1),
        (1, MAX_QUANTITY, MAX_QUANTITY + 1),
        (MAX_QUANTITY, MAX_QUANTITY, 2 * MAX_QUANTITY),
        (MAX_QUANTITY, 0.5, MAX_QUANTITY + 1),
        (-MAX_QUANTITY - 2, 1, -MAX_QUANTITY - 1),
        (-MAX_QUANTITY - 1, -1, -MAX_QUANTITY - 1),
    ],
)
def test_a_result_beyond_the_largest_quantity_is_refused(
    kind: ChangeType, stored: Number, asked: Number, result: Number
) -> None:
    order = OrderState(input_quantity=stored, output_quantity=stored)
    with pytest.raises(QuantityOverflowError) as caught:
        apply(order, make_change(kind, asked), AT)
    assert caught.value.args == (result,)


@pytest.mark.parametrize("kind", ChangeType)
@pytest.mark.parametrize(
    ("stored", "asked", "left"),
    [
        (MAX_QUANTITY - 1, 1, MAX_QUANTITY),
        (MAX_QUANTITY, -MAX_QUANTITY, 0),
        (MAX_QUANTITY, 0, MAX_QUANTITY),
        (MAX_QUANTITY + 1, -1, MAX_QUANTITY),
        (-MAX_QUANTITY - 1, 1, -MAX_QUANTITY),
    ],
)
def test_the_largest_quantity_itself_is_reached_and_left(
    kind: ChangeType, stored: Number, asked: Number, left: Number
) -> None:
    order = OrderState(input_quantity=stored, output_quantity=stored)
    after, _ = apply(order, make_change(kind, asked), AT)
    moved = after.input_quantity if kind is ChangeType.INPUT else after.output_quantity
    assert moved == left


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (input_of(1), "投入数量增加"),
        (input_of(-1), "投入数量减少"),
        (input_of(0), "投入数量减少"),
        (output_of(0.5), "产出数量增加"),
        (output_of(-0.5), "产出数量减少"),
    ],
)
def test_the_default_reason_names_the_quantity_and_the_direction(
    change: Change, reason: str
) -> None:
    assert default_reason(change) == reason


@pytest.mark.parametrize(
    ("said", "logged"), [("盘点", "盘点"), (None, "投入数量减少"), ("", "投入数量减少")]
)
def test_the_log_carries_the_callers_reason_or_else_the_default_one(
    said: str | None, logged: str
) -> None:
    entry = LogEntry(
        work_order_id=ORDER_ID,
        seq=1,
        epoch=1,
        change=input_of(-5, reason=said),
        facts=FACTS,
        applied_quantity=0,
        before_quantity=0,
        after_quantity=0,
        before_status=None,
        after_status=None,
        before_progress=0,
        after_progress=0,
        operate_time=AT,
    )
    assert entry.reason == logged
