"""What the rules promise of any order and any change."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import floor
from typing import TYPE_CHECKING

from hypothesis import assume, given
from hypothesis import strategies as st

from actors.domain.model import ChangeType, Number, OrderState
from actors.domain.rules import QuantityOverflowError, add, apply
from tests.unit.strategies import (
    AT,
    DECIMAL,
    SIZES,
    WHOLE,
    changes,
    exact,
    input_of,
    orders,
    thousandths,
)

if TYPE_CHECKING:
    from actors.domain.model import Change

EXAMPLES = SIZES.flatmap(lambda sizes: st.tuples(orders(sizes), changes(sizes)))


def _applied(order: OrderState, change: Change) -> tuple[OrderState, Number]:
    try:
        return apply(order, change, AT)
    except QuantityOverflowError:
        assume(condition=False)
        raise


def _moved(order: OrderState, change: Change) -> Number:
    return order.input_quantity if change.type is ChangeType.INPUT else order.output_quantity


@given(EXAMPLES)
def test_no_quantity_ever_falls_below_zero(example: tuple[OrderState, Change]) -> None:
    after, _ = _applied(*example)
    assert after.input_quantity >= 0
    assert after.output_quantity >= 0


@given(EXAMPLES)
def test_the_quantity_moves_by_exactly_what_was_applied(
    example: tuple[OrderState, Change],
) -> None:
    order, change = example
    after, applied = _applied(order, change)
    assert exact(_moved(after, change)) == exact(_moved(order, change)) + exact(applied)


@given(EXAMPLES)
def test_an_increase_is_applied_whole_and_a_decrease_as_far_as_there_is_something(
    example: tuple[OrderState, Change],
) -> None:
    order, change = example
    after, applied = _applied(order, change)
    if change.quantity >= 0:
        assert applied == change.quantity
    else:
        assert change.quantity <= applied <= 0
        assert applied == change.quantity or _moved(after, change) == 0


@given(EXAMPLES)
def test_a_change_moves_one_quantity_and_leaves_plan_and_scrap_alone(
    example: tuple[OrderState, Change],
) -> None:
    order, change = example
    after, _ = _applied(order, change)
    if change.type is ChangeType.INPUT:
        assert after == replace(order, input_quantity=after.input_quantity)
    else:
        assert after == replace(
            order,
            output_quantity=after.output_quantity,
            status=after.status,
            progress=after.progress,
            ended_at=after.ended_at,
        )


@given(EXAMPLES)
def test_progress_is_a_whole_number_of_percent_that_only_completion_lifts(
    example: tuple[OrderState, Change],
) -> None:
    order, change = example
    assume(change.type is ChangeType.OUTPUT)
    after, _ = _applied(order, change)
    assert type(after.progress) is int
    assert 0 <= after.progress <= 100
    plan = order.plan_production_quantity
    if after.ended_at == AT:
        assert after.progress == 100
    elif plan is None or exact(plan) + exact(order.scrap_quantity) <= 0:
        assert after.progress == order.progress
    else:
        total = exact(plan) + exact(order.scrap_quantity)
        # By multiplication, so that no division can round.
        reached = exact(after.output_quantity) * 100
        assert after.progress * total <= reached
        assert after.progress == 100 or reached < (after.progress + 1) * total


@given(EXAMPLES)
def test_the_status_changes_only_to_paused_by_a_real_decrease_or_to_completed_at_the_plan(
    example: tuple[OrderState, Change],
) -> None:
    order, change = example
    after, applied = _applied(order, change)
    pauses = change.type is ChangeType.OUTPUT and applied < 0 and order.status == "COMPLETED"
    plan = order.plan_production_quantity
    completes = (
        change.type is ChangeType.OUTPUT
        and not pauses
        and plan is not None
        and after.output_quantity >= plan
    )
    assert after.status == ("PAUSED" if pauses else "COMPLETED" if completes else order.status)
    assert after.ended_at == (AT if completes else order.ended_at)


@given(thousandths(10**6), thousandths(10**6))
def test_adding_is_exact_and_taking_away_undoes_it(left: Number, right: Number) -> None:
    total = add(left, right)
    assert exact(total) == exact(left) + exact(right)
    assert exact(add(total, -right)) == exact(left)


@given(st.lists(st.sampled_from([WHOLE, DECIMAL]).flatmap(lambda sizes: sizes.asked)))
def test_a_quantity_is_the_sum_of_all_that_was_applied(quantities: list[Number]) -> None:
    order = OrderState()
    total = Decimal(0)
    for quantity in quantities:
        order, applied = apply(order, input_of(quantity), AT)
        total += exact(applied)
    assert exact(order.input_quantity) == total
    assert floor(total) == total or isinstance(order.input_quantity, float)
