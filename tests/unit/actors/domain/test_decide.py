"""A batch decided in turn: the chain of its entries, and one verdict for each change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.decide import questions
from actors.domain.evidence import Evidence, EvidenceQuery, Outcome, Refusal
from actors.domain.guards import Guards, Mode
from actors.domain.messages import Updated
from actors.domain.model import MAX_QUANTITY, Change, ChangeType, LogEntry, OrderState, RequestId
from actors.errors import DuplicateOperation, QuantityOutOfRange, Refused, RequestIdConflict
from tests.unit.strategies import (
    AT,
    EPOCH,
    FACTS,
    ORDER_ID,
    SIZES,
    changes,
    decided,
    exact,
    input_of,
    orders,
    output_of,
    scan,
    unbind,
)

BATCHES = SIZES.flatmap(lambda sizes: st.tuples(orders(sizes), st.lists(changes(sizes))))

_UNGUARDED = Guards(Mode.OFF, Mode.OFF, Mode.OFF)


def test_an_entry_says_all_that_its_change_did_to_the_order() -> None:
    change = output_of(-30, related_barcode="SN-9", operator_id="E042")
    state = OrderState(
        input_quantity=50,
        output_quantity=20,
        plan_production_quantity=20,
        status="COMPLETED",
        progress=100,
    )
    decision = decided(change, state=state, seq=41)
    assert decision.outcomes == (
        LogEntry(
            work_order_id=ORDER_ID,
            seq=42,
            epoch=EPOCH,
            change=change,
            facts=FACTS,
            applied_quantity=-20,
            before_quantity=20,
            after_quantity=0,
            before_status="COMPLETED",
            after_status="PAUSED",
            before_progress=100,
            after_progress=0,
            operate_time=AT,
        ),
    )
    assert decision.after == replace(state, output_quantity=0, status="PAUSED", progress=0)


def test_the_verdict_says_what_the_entry_says() -> None:
    change = output_of(100)
    state = OrderState(plan_production_quantity=50, status="IN_PROGRESS", progress=3)
    decision = decided(change, state=state, seq=8)
    assert decision.verdicts == (
        Updated(
            change=change,
            work_order_id=ORDER_ID,
            seq=9,
            epoch=EPOCH,
            applied_quantity=100,
            before_quantity=0,
            after_quantity=100,
            before_status="IN_PROGRESS",
            after_status="COMPLETED",
            before_progress=3,
            after_progress=100,
            replayed=False,
        ),
    )


def test_later_changes_of_a_batch_see_what_the_earlier_ones_did() -> None:
    state = OrderState(plan_production_quantity=10, status="IN_PROGRESS")
    decision = decided(
        output_of(10), output_of(-4), input_of(3), input_of(-5), output_of(4), state=state
    )
    rows = [
        (each.seq, each.before_quantity, each.after_quantity, each.before_status, each.after_status)
        for each in decision.outcomes
        if isinstance(each, LogEntry)
    ]
    assert rows == [
        (1, 0, 10, "IN_PROGRESS", "COMPLETED"),
        (2, 10, 6, "COMPLETED", "PAUSED"),
        (3, 0, 3, "PAUSED", "PAUSED"),
        (4, 3, 0, "PAUSED", "PAUSED"),
        (5, 6, 10, "PAUSED", "COMPLETED"),
    ]
    assert decision.after == replace(
        state, output_quantity=10, status="COMPLETED", progress=100, ended_at=AT
    )


def test_nothing_to_decide_leaves_the_order_as_it_is() -> None:
    state = OrderState(input_quantity=3)
    decision = decided(state=state)
    assert (decision.after, decision.outcomes, decision.verdicts) == (state, (), ())


def test_a_refused_change_takes_no_seq_and_moves_nothing() -> None:
    first, second, third = scan(), scan(), scan("SN-2")
    decision = decided(first, second, third)
    assert [(each.change, each.seq) for each in _entries(decision.outcomes)] == [
        (first, 1),
        (third, 2),
    ]
    assert decision.after.input_quantity == 2


def test_a_repeated_scan_is_refused_with_its_barcode_and_step() -> None:
    again = scan("SN-1", step="6560a0000000000000000009")
    first = scan("SN-1", step="6560a0000000000000000009")
    _, verdict = decided(first, again).verdicts
    assert isinstance(verdict, DuplicateOperation)
    assert (verdict.barcode, verdict.process_step_id, verdict.replayed) == (
        "SN-1",
        "6560a0000000000000000009",
        False,
    )
    assert verdict.first == first.job_id


@pytest.mark.parametrize("kind", ChangeType)
def test_a_quantity_out_of_range_is_refused_alone(kind: ChangeType) -> None:
    make = input_of if kind is ChangeType.INPUT else output_of
    state = OrderState(input_quantity=MAX_QUANTITY - 1, output_quantity=MAX_QUANTITY - 1)
    decision = decided(make(2), make(1), make(1), state=state)
    too_much, fits, too_much_again = decision.verdicts
    assert isinstance(too_much, QuantityOutOfRange)
    assert (too_much.result, too_much.limit) == (MAX_QUANTITY + 1, MAX_QUANTITY)
    assert isinstance(fits, Updated)
    assert isinstance(too_much_again, QuantityOutOfRange)
    assert len(decision.outcomes) == 1


def test_a_scan_that_overflows_was_not_counted_and_may_come_again() -> None:
    state = OrderState(input_quantity=MAX_QUANTITY)
    decision = decided(scan(), input_of(-1), scan(), state=state)
    assert [type(each) for each in decision.verdicts] == [QuantityOutOfRange, Updated, Updated]


def test_a_repeated_scan_that_would_overflow_is_called_a_repeated_scan() -> None:
    state = OrderState(input_quantity=MAX_QUANTITY - 1)
    decision = decided(scan(), scan(), state=state)
    assert isinstance(decision.verdicts[1], DuplicateOperation)


def test_what_has_no_key_and_is_refused_leaves_no_outcome() -> None:
    full = OrderState(input_quantity=MAX_QUANTITY)
    assert decided(input_of(1), state=full).outcomes == ()
    assert len(decided(scan(), scan()).outcomes) == 1


def test_what_has_a_key_and_is_refused_leaves_its_refusal() -> None:
    again = scan(key="key-2")
    decision = decided(scan(key="key-1"), again)
    assert decision.outcomes[1] == Refusal(ORDER_ID, EPOCH, again, AT, "DUPLICATE_OPERATION", 0)


def test_the_refusal_of_an_overflow_keeps_the_quantity_that_would_have_been() -> None:
    change = input_of(5, key="key-1")
    decision = decided(change, state=OrderState(input_quantity=MAX_QUANTITY))
    assert decision.outcomes == (
        Refusal(ORDER_ID, EPOCH, change, AT, "INVALID_QUANTITY", MAX_QUANTITY + 5),
    )


def test_the_log_is_not_asked_for_plain_changes() -> None:
    plain = [input_of(), output_of(), input_of(-1), input_of(related_barcode="SN-1")]
    assert questions(ORDER_ID, plain, frozenset()) is None
    assert questions(ORDER_ID, [], frozenset()) is None


def test_the_log_is_asked_for_keys_scanned_barcodes_and_suspects() -> None:
    suspect = output_of(3)
    batch = [suspect, scan("SN-1"), scan("SN-2", key="key-1"), unbind("SN-3"), output_of(key="k")]
    assert questions(ORDER_ID, batch, frozenset({suspect.job_id}), _UNGUARDED) == EvidenceQuery(
        ORDER_ID,
        request_ids=frozenset({RequestId("key-1"), RequestId("k")}),
        job_ids=frozenset({suspect.job_id}),
        barcodes=frozenset({"SN-1", "SN-2"}),
    )


def test_the_log_is_asked_for_the_barcodes_of_what_is_guarded() -> None:
    batch = [output_of(related_barcode="SN-1"), unbind("SN-2"), input_of(related_barcode="SN-3")]
    asked = questions(ORDER_ID, batch, frozenset())
    assert asked is not None
    assert asked.barcodes == {"SN-1", "SN-2"}
    assert questions(ORDER_ID, batch, frozenset(), _UNGUARDED) is None


@pytest.mark.parametrize(
    ("change", "suspects"),
    [
        (output_of(key="k"), frozenset[str]()),
        (scan(), frozenset[str]()),
        (output_of(), frozenset({"0" * 24})),
    ],
    ids=["a key", "a scan", "a suspect"],
)
def test_each_of_these_is_reason_enough_to_ask_the_log(
    change: Change, suspects: frozenset[str]
) -> None:
    assert questions(ORDER_ID, [change], suspects) is not None


@given(BATCHES, st.integers(0, 1000))
def test_the_entries_of_a_batch_are_dense_and_chain_without_a_gap(
    batch: tuple[OrderState, list[Change]], seq: int
) -> None:
    state, asked = batch
    decision = decided(*asked, state=state, seq=seq)
    entries = _entries(decision.outcomes)
    assert [each.seq for each in entries] == list(range(seq + 1, seq + 1 + len(entries)))
    quantities = {
        ChangeType.INPUT: state.input_quantity,
        ChangeType.OUTPUT: state.output_quantity,
    }
    status, progress = state.status, state.progress
    for each in entries:
        kind = ChangeType(each.change.type)
        assert each.before_quantity == quantities[kind]
        assert exact(each.after_quantity) == exact(quantities[kind]) + exact(each.applied_quantity)
        assert (each.before_status, each.before_progress) == (status, progress)
        quantities[kind] = each.after_quantity
        status, progress = each.after_status, each.after_progress
    after = decision.after
    assert quantities == {
        ChangeType.INPUT: after.input_quantity,
        ChangeType.OUTPUT: after.output_quantity,
    }
    assert (after.status, after.progress) == (status, progress)


@given(BATCHES)
def test_each_change_gets_the_verdict_that_belongs_to_it(
    batch: tuple[OrderState, list[Change]],
) -> None:
    state, asked = batch
    decision = decided(*asked, state=state)
    assert len(decision.verdicts) == len(asked)
    left_behind = {each.change.job_id: each for each in decision.outcomes}
    assert len(left_behind) == len(decision.outcomes)
    for change, verdict in zip(asked, decision.verdicts, strict=True):
        outcome = left_behind.get(change.job_id)
        if isinstance(verdict, Updated) and not verdict.replayed:
            assert isinstance(outcome, LogEntry)
            assert verdict.change is change
            assert verdict.seq == outcome.seq
        elif isinstance(verdict, Refused) and not getattr(verdict, "replayed", False):
            durable = change.request_id is not None and not isinstance(verdict, RequestIdConflict)
            assert isinstance(outcome, Refusal) is durable
        else:
            assert outcome is None


@given(BATCHES, st.data())
def test_a_batch_cut_in_two_is_decided_as_in_one_go(
    batch: tuple[OrderState, list[Change]], data: st.DataObject
) -> None:
    state, asked = batch
    cut = data.draw(st.integers(0, len(asked)))
    whole = decided(*asked, state=state)
    evidence = Evidence()
    first = decided(*asked[:cut], state=state, evidence=evidence)
    seq = len(_entries(first.outcomes))
    second = decided(*asked[cut:], state=first.after, seq=seq, evidence=evidence)
    assert first.outcomes + second.outcomes == whole.outcomes
    assert second.after == whole.after
    assert [repr(each) for each in first.verdicts + second.verdicts] == [
        repr(each) for each in whole.verdicts
    ]


def _entries(outcomes: tuple[Outcome, ...]) -> list[LogEntry]:
    return [each for each in outcomes if isinstance(each, LogEntry)]
