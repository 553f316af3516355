"""Retries: the first outcome of a key or of a job is the only one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.evidence import Evidence, Refusal
from actors.domain.messages import Updated
from actors.domain.model import MAX_QUANTITY, ChangeType, LogEntry, OrderState
from actors.errors import DuplicateOperation, QuantityOutOfRange, RequestIdConflict
from tests.unit.strategies import (
    AT,
    EARLIER,
    EPOCH,
    FACTS,
    ORDER_ID,
    SIZES,
    STEP,
    changes,
    decided,
    input_of,
    known_refusal,
    new_job,
    orders,
    output_of,
    scan,
    unbind,
)

if TYPE_CHECKING:
    from actors.domain.decide import Verdict
    from actors.domain.evidence import Outcome
    from actors.domain.model import Change

BATCHES = SIZES.flatmap(lambda sizes: st.tuples(orders(sizes), st.lists(changes(sizes))))
FULL = OrderState(input_quantity=MAX_QUANTITY)


def _noted(*outcomes: Outcome) -> Evidence:
    evidence = Evidence()
    for outcome in outcomes:
        evidence.note(outcome)
    return evidence


def _applied(change: Change, seq: int = 3) -> LogEntry:
    """Return what an earlier owner's log says of a change that it applied."""
    return LogEntry(
        work_order_id=ORDER_ID,
        seq=seq,
        epoch=2,
        change=change,
        facts=FACTS,
        applied_quantity=change.quantity,
        before_quantity=10,
        after_quantity=10 + change.quantity,
        before_status="PENDING",
        after_status="IN_PROGRESS",
        before_progress=1,
        after_progress=2,
        operate_time=EARLIER,
    )


def _resent(change: Change) -> Change:
    """Return the same request as it arrives again: with a job of its own."""
    return replace(change, job_id=new_job())


def test_a_key_that_the_log_knows_replays_its_first_outcome() -> None:
    first = output_of(5, key="key-1")
    decision = decided(
        _resent(first), state=OrderState(output_quantity=70), evidence=_noted(_applied(first))
    )
    assert decision.verdicts == (
        Updated(
            change=first,
            work_order_id=ORDER_ID,
            seq=3,
            epoch=2,
            applied_quantity=5,
            before_quantity=10,
            after_quantity=15,
            before_status="PENDING",
            after_status="IN_PROGRESS",
            before_progress=1,
            after_progress=2,
            replayed=True,
        ),
    )
    assert (decision.outcomes, decision.after.output_quantity) == ((), 70)


def test_a_key_used_twice_in_a_batch_is_applied_once() -> None:
    first = output_of(5, key="key-1")
    decision = decided(first, _resent(first), output_of(1))
    one, two, three = decision.verdicts
    assert isinstance(one, Updated)
    assert two == replace(one, replayed=True)
    assert isinstance(three, Updated)
    assert (three.seq, three.before_quantity, three.after_quantity) == (2, 5, 6)
    assert len(decision.outcomes) == 2


def test_the_same_change_under_two_keys_is_applied_twice() -> None:
    assert decided(output_of(5, "key-1"), output_of(5, "key-2")).after.output_quantity == 10


def test_the_same_change_without_a_key_is_applied_twice() -> None:
    assert decided(output_of(5), output_of(5)).after.output_quantity == 10


def test_a_key_that_the_log_refused_is_refused_again_though_the_scan_would_count_now() -> None:
    first = scan(key="key-1")
    decision = decided(_resent(first), evidence=_noted(known_refusal(first)))
    (verdict,) = decision.verdicts
    assert isinstance(verdict, DuplicateOperation)
    assert (verdict.barcode, verdict.process_step_id, verdict.replayed) == ("SN-1", STEP, True)
    assert (decision.outcomes, decision.after) == ((), OrderState())


def test_a_key_refused_in_a_batch_stays_refused_after_an_unbind_in_the_same_batch() -> None:
    again = scan(key="key-1")
    decision = decided(scan(), again, unbind(), _resent(again), scan())
    assert [_short(each) for each in decision.verdicts] == [
        "applied",
        "DUPLICATE_OPERATION",
        "applied",
        "DUPLICATE_OPERATION replayed",
        "applied",
    ]
    assert len(decision.outcomes) == 4


def test_an_overflow_refused_under_a_key_stays_refused_when_there_is_room_again() -> None:
    first = input_of(5, key="key-1")
    decision = decided(first, input_of(-100), _resent(first), input_of(5), state=FULL)
    refused, _, replayed, applied = decision.verdicts
    assert isinstance(refused, QuantityOutOfRange)
    assert not refused.replayed
    assert isinstance(replayed, QuantityOutOfRange)
    assert replayed.replayed
    assert (replayed.result, replayed.limit) == (refused.result, refused.limit)
    assert str(replayed) == str(refused)
    assert isinstance(applied, Updated)


@pytest.mark.parametrize(
    "other",
    [
        output_of(6, key="key-1"),
        input_of(5, key="key-1"),
        output_of(5, key="key-1", remark="another"),
    ],
    ids=["quantity", "type", "context"],
)
@pytest.mark.parametrize("where", ["in the log", "in the batch", "refused"])
def test_a_key_with_another_payload_is_a_conflict_and_changes_nothing(
    where: str, other: Change
) -> None:
    first = output_of(5, key="key-1")
    other = _resent(other)
    if where == "in the batch":
        decision = decided(first, other)
    else:
        known = _applied(first) if where == "in the log" else known_refusal(first)
        decision = decided(other, evidence=_noted(known))
    conflict = decision.verdicts[-1]
    assert isinstance(conflict, RequestIdConflict)
    assert conflict.request_id == "key-1"
    assert other not in [each.change for each in decision.outcomes]


def test_a_conflict_does_not_take_the_place_of_the_first_outcome() -> None:
    first = output_of(5, key="key-1")
    other = output_of(6, key="key-1")
    decision = decided(first, other, _resent(first), _resent(other))
    assert [_short(each) for each in decision.verdicts] == [
        "applied",
        "REQUEST_ID_CONFLICT",
        "applied replayed",
        "REQUEST_ID_CONFLICT",
    ]
    assert decision.after.output_quantity == 5


@pytest.mark.parametrize("key", [None, "key-1"])
def test_a_job_that_an_earlier_attempt_applied_is_neither_applied_again_nor_a_replay(
    key: str | None,
) -> None:
    job = output_of(5, key=key)
    decision = decided(
        job, state=OrderState(output_quantity=15), evidence=_noted(_applied(job)), seq=3
    )
    (verdict,) = decision.verdicts
    assert isinstance(verdict, Updated)
    assert (verdict.seq, verdict.after_quantity, verdict.replayed) == (3, 15, False)
    assert (decision.outcomes, decision.after.output_quantity) == ((), 15)


def test_a_scan_that_an_earlier_attempt_applied_does_not_refuse_itself() -> None:
    job = scan()
    (verdict,) = decided(job, evidence=_noted(_applied(job))).verdicts
    assert isinstance(verdict, Updated)


def test_a_job_that_an_earlier_attempt_refused_is_refused_and_no_replay() -> None:
    job = scan(key="key-1")
    decision = decided(job, evidence=_noted(known_refusal(job)))
    (verdict,) = decision.verdicts
    assert isinstance(verdict, DuplicateOperation)
    assert not verdict.replayed
    assert decision.outcomes == ()


def test_a_retry_beside_the_job_that_was_applied_already_is_a_replay() -> None:
    job = output_of(5, key="key-1")
    decision = decided(job, _resent(job), evidence=_noted(_applied(job)))
    assert [_short(each) for each in decision.verdicts] == ["applied", "applied replayed"]
    assert decision.outcomes == ()


def test_a_job_without_a_key_that_is_new_is_not_taken_for_another() -> None:
    decision = decided(output_of(5), evidence=_noted(_applied(output_of(5))))
    assert len(decision.outcomes) == 1


@given(BATCHES)
def test_a_batch_that_is_tried_again_after_it_was_applied_gets_the_same_answers(
    batch: tuple[OrderState, list[Change]],
) -> None:
    state, asked = batch
    evidence = Evidence()
    keyed = [each for each in asked if each.request_id is not None]
    first = decided(*keyed, state=state, evidence=evidence)
    again = decided(*keyed, state=first.after, seq=len(keyed), evidence=evidence)
    assert (again.outcomes, again.after) == ((), first.after)
    assert [_short(each) for each in again.verdicts] == [_short(each) for each in first.verdicts]


@given(BATCHES)
def test_a_batch_that_is_sent_again_under_its_keys_is_replayed_whole(
    batch: tuple[OrderState, list[Change]],
) -> None:
    state, asked = batch
    evidence = Evidence()
    keyed = [each for each in asked if each.request_id is not None]
    first = decided(*keyed, state=state, evidence=evidence)
    again = decided(*map(_resent, keyed), state=first.after, seq=99, evidence=evidence)
    assert (again.outcomes, again.after) == ((), first.after)
    for one, two in zip(first.verdicts, again.verdicts, strict=True):
        assert _short(two).removesuffix(" replayed") == _short(one).removesuffix(" replayed")
        assert isinstance(two, RequestIdConflict) or _short(two).endswith(" replayed")


@given(BATCHES)
def test_at_most_one_change_of_a_key_leaves_an_outcome(
    batch: tuple[OrderState, list[Change]],
) -> None:
    state, asked = batch
    keys = [
        each.change.request_id
        for each in decided(*asked, state=state).outcomes
        if each.change.request_id is not None
    ]
    assert sorted(keys) == sorted(set(keys))


def test_a_refusal_does_not_count_as_a_scan() -> None:
    refused = scan(key="key-1")
    (verdict,) = decided(scan(), evidence=_noted(Refusal(ORDER_ID, EPOCH, refused, AT))).verdicts
    assert isinstance(verdict, Updated)
    assert verdict.change.type is ChangeType.INPUT


def _short(verdict: Verdict) -> str:
    replayed = " replayed" if getattr(verdict, "replayed", False) else ""
    return ("applied" if isinstance(verdict, Updated) else verdict.code) + replayed
