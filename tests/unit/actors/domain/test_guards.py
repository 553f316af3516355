"""Guarded counts: what is counted once, taken back once, and not put in beyond the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.decide import decide
from actors.domain.evidence import MOST_MOVES, Evidence, Move, Refusal
from actors.domain.guards import Guard, Guards, Mode
from actors.domain.messages import Updated
from actors.domain.model import ChangeType, LogEntry, LogPosition, OrderState
from actors.errors import DuplicateOperation, OverPlan
from actors.store.documents import outcome_document, outcome_from
from tests.unit.strategies import AT, EPOCH, input_of, output_of, scan, stored_order, unbind

if TYPE_CHECKING:
    from actors.domain.decide import Decision
    from actors.domain.model import Change, Number

ENFORCE = Guards(Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE)
WATCH = Guards()
OFF = Guards(Mode.OFF, Mode.OFF, Mode.OFF)


def decided(
    *changes: Change,
    guards: Guards = ENFORCE,
    state: OrderState | None = None,
    evidence: Evidence | None = None,
) -> Decision:
    """Decide on an order with room; what is given later knows what came before."""
    order = stored_order(state or OrderState(plan_production_quantity=1000))
    return decide(order, changes, evidence or Evidence(), EPOCH, AT, guards)


def put_out(barcode: str = "SN-1", quantity: Number = 1, key: str | None = None) -> Change:
    return output_of(quantity, key, related_barcode=barcode)


def initialize(barcode: str = "SN-1", quantity: Number = -1) -> Change:
    return output_of(quantity, related_barcode=barcode, barcode_operation="INITIALIZE_PRODUCT")


def told(decision: Decision) -> list[Any]:
    """Return what was applied, or the error."""
    return [
        each.applied_quantity if isinstance(each, Updated) else type(each)
        for each in decision.verdicts
    ]


def watched(decision: Decision) -> list[str | None]:
    return [each.watched if isinstance(each, Updated) else "?" for each in decision.verdicts]


def test_of_a_barcode_with_very_many_entries_the_latest_are_looked_at() -> None:
    evidence = Evidence()
    for seq in [*range(2, MOST_MOVES + 50), 1]:
        position = LogPosition(seq, AT, f"{seq:024x}")
        evidence.note_move("SN-1", Move(position, ChangeType.OUTPUT, 1, 1))
    kept = sorted(each.position.seq for each in evidence.moves["SN-1"].values())
    assert kept == [*range(50, MOST_MOVES + 50)]


# -- output once ----------------------------------------------------------------------------


def test_an_output_counts_once_until_it_is_taken_back() -> None:
    decision = decided(put_out(), put_out(), put_out("SN-2"), put_out(quantity=-1), put_out())
    assert told(decision) == [1, DuplicateOperation, 1, -1, 1]
    error = decision.verdicts[1]
    assert isinstance(error, DuplicateOperation)
    assert (error.first, error.output) == (decision.outcomes[0].change.job_id, True)


def test_a_repeated_output_with_a_key_is_refused_for_good() -> None:
    first, again = put_out(key="one"), put_out(key="two")
    evidence = Evidence()
    assert told(decided(first, again, evidence=evidence)) == [1, DuplicateOperation]
    [replayed] = decided(again, evidence=evidence).verdicts
    assert isinstance(replayed, DuplicateOperation)
    assert replayed.output


def test_a_watched_output_counts_as_ever_and_is_told_of() -> None:
    decision = decided(put_out(), put_out(), guards=WATCH)
    assert told(decision) == [1, 1]
    assert watched(decision) == [None, Guard.OUTPUT_ONCE]


@pytest.mark.parametrize("guards", [ENFORCE, WATCH, OFF])
def test_outputs_without_a_barcode_are_not_guarded(guards: Guards) -> None:
    decision = decided(output_of(), output_of(), guards=guards)
    assert (told(decision), watched(decision)) == ([1, 1], [None, None])


# -- unbind once ----------------------------------------------------------------------------


def test_an_unbind_takes_back_only_what_is_open() -> None:
    decision = decided(input_of(5), scan(), unbind(), unbind(), unbind("SN-9"))
    assert told(decision) == [5, 1, -1, 0, 0]
    assert [each.duplicate for each in decision.verdicts if isinstance(each, Updated)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert decision.after.input_quantity == 5


def test_an_unbind_of_more_than_is_open_is_cut_to_it() -> None:
    decision = decided(
        input_of(9), input_of(3, related_barcode="SN-1"), unbind(quantity=-5), unbind()
    )
    assert told(decision) == [9, 3, -3, 0]


def test_input_and_output_of_a_barcode_are_open_apart() -> None:
    decision = decided(output_of(7), scan(), put_out(), initialize(), initialize(), unbind())
    assert told(decision) == [7, 1, 1, -1, 0, -1]


def test_a_decrease_for_another_reason_is_not_cut() -> None:
    decision = decided(input_of(5), input_of(-2, related_barcode="SN-1"), input_of(-1))
    assert told(decision) == [5, -2, -1]


def test_a_barcode_that_others_took_back_twice_is_open_once_it_is_scanned_anew() -> None:
    twice = decided(input_of(5), scan(), unbind(), unbind(), guards=OFF)
    known = Evidence()
    for outcome in twice.outcomes:
        known.note(outcome)
    order = stored_order(twice.after, seq=4)
    decision = decide(order, [scan(), unbind(), unbind()], known, EPOCH, AT, ENFORCE)
    assert told(decision) == [1, -1, 0]


def test_a_watched_unbind_takes_all_and_is_told_of() -> None:
    decision = decided(input_of(2), scan(), unbind(), unbind(), guards=WATCH)
    assert told(decision) == [2, 1, -1, -1]
    assert watched(decision) == [None, None, None, Guard.UNBIND_ONCE]


def test_a_watched_unbind_that_finds_nothing_in_the_order_is_none() -> None:
    decision = decided(unbind(), guards=WATCH)
    assert (told(decision), watched(decision)) == ([0], [None])


def test_an_unbind_that_takes_nothing_back_leaves_the_order_as_it_is() -> None:
    state = OrderState(output_quantity=9, plan_production_quantity=5, status="PAUSED", progress=90)
    decision = decided(initialize(), state=state)
    assert (told(decision), decision.after) == ([0], state)


# -- no over-input --------------------------------------------------------------------------


def test_no_more_is_put_in_than_the_plan_and_the_scrap_allow() -> None:
    state = OrderState(plan_production_quantity=3, scrap_quantity=1, input_quantity=2)
    decision = decided(input_of(key="a"), input_of(), input_of(key="b"), state=state)
    assert told(decision) == [1, 1, OverPlan]
    refusal = decision.outcomes[2]
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.detail) == ("OVER_PLAN", 3)
    assert decision.refuses


def test_a_refusal_for_the_plan_is_replayed() -> None:
    state = OrderState(plan_production_quantity=0)
    change, evidence = input_of(key="a"), Evidence()
    decided(change, state=state, evidence=evidence)
    again = decided(input_of(key="a"), state=OrderState(), evidence=evidence)
    [error] = again.verdicts
    assert isinstance(error, OverPlan)
    assert error.replayed
    assert not again.outcomes


def test_a_watched_over_input_counts_and_is_told_of() -> None:
    decision = decided(input_of(), state=OrderState(plan_production_quantity=0), guards=WATCH)
    assert (told(decision), watched(decision)) == ([1], [Guard.OVER_INPUT])


@pytest.mark.parametrize("guards", [ENFORCE, WATCH])
def test_an_order_without_a_plan_and_a_decrease_are_let_through(guards: Guards) -> None:
    assert told(decided(input_of(), state=OrderState(), guards=guards)) == [1]
    full = OrderState(plan_production_quantity=1, input_quantity=5)
    assert watched(decided(input_of(-1), state=full, guards=guards)) == [None]


def test_what_is_off_is_as_it_was() -> None:
    state = OrderState(plan_production_quantity=0, input_quantity=3)
    decision = decided(input_of(), put_out(), put_out(), unbind(), guards=OFF, state=state)
    assert (told(decision), watched(decision)) == ([1, 1, 1, -1], [None] * 4)


def test_the_log_keeps_what_a_guard_said() -> None:
    watching = decided(put_out(), put_out(), guards=WATCH).outcomes[1]
    cut = decided(unbind()).outcomes[0]
    for entry in (watching, cut):
        again = outcome_from(outcome_document(entry))
        assert isinstance(again, LogEntry)
        assert isinstance(entry, LogEntry)
        assert (again.watched, again.duplicate) == (entry.watched, entry.duplicate)
