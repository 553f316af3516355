"""Operations of a whole order: where each is allowed, and what it changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.decide import decide
from actors.domain.evidence import Evidence
from actors.domain.messages import Updated
from actors.domain.model import (
    Beside,
    LogContext,
    Operation,
    OperationEntry,
    OrderState,
    Status,
)
from actors.domain.operations import are_done, is_all_counted
from actors.errors import OperationRefused
from actors.store.documents import outcome_document, outcome_from
from tests.unit.strategies import AT, EPOCH, make_change, output_of, stored_order

if TYPE_CHECKING:
    from actors.domain.decide import Decision
    from actors.domain.model import Change, Number

_ALL = (*Status, None, "ARCHIVED")
_ALLOWED = {
    Operation.START: {"PENDING"},
    Operation.PAUSE: {"IN_PROGRESS"},
    Operation.RESUME: {"PAUSED"},
    Operation.CANCEL: {"PENDING"},
    Operation.COMPLETE: {"IN_PROGRESS", "PAUSED"},
    Operation.CHANGE_PLAN: {"PENDING", "PAUSED"},
    Operation.SCRAP: {"IN_PROGRESS", "PAUSED", "COMPLETED"},
    Operation.SUPPLEMENT: {"PAUSED"},
}


def operation(
    what: Operation, quantity: Number = 0, key: str | None = None, barcode: str | None = None
) -> Change:
    return make_change(what, quantity, key, LogContext(related_barcode=barcode))


def scrap(barcode: str = "SN-1", quantity: Number = 1) -> Change:
    return operation(Operation.SCRAP, quantity, barcode=barcode)


def order(status: str | None = "PENDING", **state: Any) -> OrderState:  # noqa: ANN401 of OrderState
    return OrderState(
        **{"plan_quantity": 120, "plan_production_quantity": 100, "status": status} | state
    )


def decided(state: OrderState, *changes: Change, evidence: Evidence | None = None) -> Decision:
    return decide(stored_order(state, seq=7), changes, evidence or Evidence(), EPOCH, AT)


def reasons(decision: Decision) -> list[str | None]:
    return [
        each.reason if isinstance(each, OperationRefused) else None for each in decision.verdicts
    ]


@pytest.mark.parametrize("what", Operation)
@pytest.mark.parametrize("status", _ALL)
def test_each_is_allowed_in_its_statuses_only(what: Operation, status: str | None) -> None:
    before = order(status, input_quantity=100, scrap_quantity=50)
    decision = decided(before, operation(what, 50, barcode="SN-1"))
    if status in _ALLOWED[what]:
        assert isinstance(decision.outcomes[0], OperationEntry)
    else:
        assert (reasons(decision), decision.outcomes) == (["status"], ())
        assert decision.after == before


def test_an_order_s_life() -> None:
    names = ("START", "PAUSE", "RESUME", "COMPLETE")
    decision = decided(order(), *(operation(Operation[each]) for each in names))
    entries = [each for each in decision.outcomes if isinstance(each, OperationEntry)]
    assert [each.after_status for each in entries] == [
        "IN_PROGRESS",
        "PAUSED",
        "IN_PROGRESS",
        "COMPLETED",
    ]
    assert {each.seq for each in entries} == {7}, "they take no number of the quantities' log"
    after = decision.after
    assert (after.started_at, after.ended_at, after.progress) == (AT, AT, 100)


@pytest.mark.parametrize(("plan", "planned"), [(0, 120), (None, 120), (121, 120), (1, None)])
def test_an_order_without_a_plan_that_fits_is_not_started(
    plan: Number | None, planned: Number | None
) -> None:
    state = order(plan_production_quantity=plan, plan_quantity=planned)
    assert reasons(decided(state, operation(Operation.START))) == ["plan"]


def test_a_new_plan_moves_the_progress_and_may_complete() -> None:
    state = order("PAUSED", output_quantity=50, progress=50)
    change = operation(Operation.CHANGE_PLAN, 60)
    more = decided(state, change)
    assert (more.after.progress, more.after.status) == (83, "PAUSED")
    enough = decided(state, operation(Operation.CHANGE_PLAN, 50))
    assert (enough.after.status, enough.after.progress) == ("COMPLETED", 100)
    assert enough.after.ended_at == AT
    assert reasons(decided(state, operation(Operation.CHANGE_PLAN, 121))) == ["plan"]


def test_scrap_counts_once_a_barcode_and_moves_the_progress() -> None:
    state = order("COMPLETED", output_quantity=100, progress=100)
    decision = decided(state, scrap(), scrap(), scrap("SN-2", 3))
    after = decision.after
    assert reasons(decision) == [None, "scrapped", None]
    assert (after.scrap_quantity, after.scrapped) == (4, ("SN-1", "SN-2"))
    assert (after.status, after.progress) == ("PAUSED", 96)


def test_scrap_is_refused_before_its_list_is_more_than_a_document_holds() -> None:
    long = tuple(f"{number:04}" + 1_999 * "😀" for number in range(1_038))
    assert reasons(decided(order("PAUSED", scrapped=long), scrap(), scrap("SN-2"))) == [None] * 2
    assert reasons(decided(order("PAUSED", scrapped=long), scrap(1_999 * "😀"))) == ["full"]
    many = tuple(f"SN-{number:09}" for number in range(90_000))
    assert reasons(decided(order("PAUSED", scrapped=many), scrap())) == [None]


def test_counts_and_operations_of_a_batch_see_each_other() -> None:
    state = order("IN_PROGRESS", plan_production_quantity=5)
    decision = decided(state, output_of(5), operation(Operation.PAUSE), scrap(), output_of(1))
    assert reasons(decision) == [None, "status", None, None]
    assert decision.after.status == "COMPLETED"
    assert decision.after.scrap_quantity == 1


def test_a_key_has_one_outcome() -> None:
    evidence = Evidence()
    first = operation(Operation.START, key="k")
    decided(order(), first, evidence=evidence)
    [again] = decided(
        order("IN_PROGRESS"), operation(Operation.START, key="k"), evidence=evidence
    ).verdicts
    assert isinstance(again, Updated)
    assert (again.replayed, again.change.job_id) == (True, first.job_id)


def test_an_entry_is_read_back_as_it_was() -> None:
    change = operation(Operation.SCRAP, 2, key="k", barcode="SN-1")
    [entry] = decided(order("PAUSED"), change).outcomes
    assert outcome_from(outcome_document(entry)) == entry


@pytest.mark.parametrize(
    ("asked", "made", "state", "outcome"),
    [
        (0, 0, {}, 3),
        (0, 1, {}, 2),
        (1, 2, {}, 1),
        (2, 2, {}, "supplemented"),
        (0, 3, {}, "supplemented"),
        (4, 0, {}, "supplemented"),
        (0, 0, {"scrap_quantity": 0}, "no-scrap"),
        (0, 0, {"input_quantity": 99}, "input"),
        (0, 0, {"input_quantity": 101}, "input"),
    ],
)
def test_a_supplement_is_for_scrap_that_has_none_yet(
    asked: Number, made: Number, state: dict[str, Any], outcome: Number | str
) -> None:
    before = order("PAUSED", **{"input_quantity": 100, "scrap_quantity": 3} | state)
    beside = Beside(supplemented=made)
    decision = decided(before, replace(operation(Operation.SUPPLEMENT, asked), beside=beside))
    if isinstance(outcome, str):
        assert reasons(decision) == [outcome]
    else:
        [entry] = decision.outcomes
        assert entry.change.quantity == outcome
        assert isinstance(outcome_from(outcome_document(entry)), OperationEntry)


@pytest.mark.parametrize(
    ("status", "state", "counted"),
    [
        ("PAUSED", {"output_quantity": 98}, True),
        ("IN_PROGRESS", {"output_quantity": 99}, True),
        ("PAUSED", {"output_quantity": 97}, False),
        ("PENDING", {"output_quantity": 98}, False),
        ("COMPLETED", {"output_quantity": 98}, False),
        ("PAUSED", {"output_quantity": 98, "plan_production_quantity": None}, False),
    ],
)
def test_an_open_order_is_all_counted_once_each_piece_is_output_or_scrap(
    status: str, state: dict[str, Any], *, counted: bool
) -> None:
    assert is_all_counted(order(status, **{"scrap_quantity": 2} | state)) is counted


@pytest.mark.parametrize(
    ("statuses", "done"),
    [
        (["COMPLETED", "CANCELLED", "COMPLETED"], True),
        (["COMPLETED", "PAUSED"], False),
        (["CANCELLED"], False),
        ([], False),
        (["COMPLETED", None], False),
    ],
)
def test_supplements_are_done_once_all_are_completed_or_cancelled(
    statuses: list[object], *, done: bool
) -> None:
    assert are_done(statuses) is done
