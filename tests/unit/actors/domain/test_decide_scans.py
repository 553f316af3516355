"""Rule 4 against the log: scans, unbinds and rescans, in one batch and across batches."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from actors.domain.evidence import Evidence
from actors.domain.model import Change, LogEntry, LogPosition, OrderState
from actors.errors import DuplicateOperation
from tests.unit.strategies import (
    AT,
    EARLIER,
    OTHER_STEP,
    STEP,
    decided,
    input_of,
    known_refusal,
    output_of,
    scan,
    unbind,
)

SCAN, REFUSED = "counted", "refused"

SEQUENCES: dict[str, list[tuple[Change, str]]] = {
    "the same step": [(scan(), SCAN), (scan(), REFUSED), (scan(), REFUSED)],
    "another step": [(scan(), SCAN), (scan(step=OTHER_STEP), SCAN), (scan(), REFUSED)],
    "another barcode": [(scan(), SCAN), (scan("SN-2"), SCAN), (scan("SN-2"), REFUSED)],
    "unbound and scanned again": [
        (scan(), SCAN),
        (unbind(), SCAN),
        (scan(), SCAN),
        (scan(), REFUSED),
    ],
    "an unbind frees the barcode at every step": [
        (scan(), SCAN),
        (scan(step=OTHER_STEP), SCAN),
        (unbind(), SCAN),
        (scan(step=OTHER_STEP), SCAN),
        (scan(), SCAN),
        (scan(step=OTHER_STEP), REFUSED),
    ],
    "another barcode's unbind": [(scan(), SCAN), (unbind("SN-2"), SCAN), (scan(), REFUSED)],
    "an unbind before the first scan": [(unbind(), SCAN), (scan(), SCAN), (scan(), REFUSED)],
    "an unbind cut to nothing": [
        (scan(), SCAN),
        (input_of(-100), SCAN),
        (unbind(), SCAN),
        (scan(), SCAN),
        (scan(), REFUSED),
    ],
    "a decrease without a barcode": [(scan(), SCAN), (input_of(-1), SCAN), (scan(), REFUSED)],
    "an output decrease of the barcode": [
        (scan(), SCAN),
        (output_of(3), SCAN),
        (output_of(-1, related_barcode="SN-1"), SCAN),
        (scan(), REFUSED),
    ],
    "a decrease that calls itself a scan": [
        (scan(), SCAN),
        (replace(scan(), quantity=-1), SCAN),
        (scan(), SCAN),
    ],
    "increases that are no first-step scans": [
        (scan(), SCAN),
        (input_of(1, related_barcode="SN-1", process_step_id=STEP), SCAN),
        (replace(scan(), quantity=0), SCAN),
        (input_of(1, related_barcode="SN-1", barcode_operation="SCAN_PROCESS"), SCAN),
        (scan(), REFUSED),
    ],
    "an increase before it that was no first-step scan": [
        (input_of(1, related_barcode="SN-1", process_step_id=STEP), SCAN),
        (scan(), SCAN),
    ],
    "a scan of several pieces": [
        (replace(scan(), quantity=5), SCAN),
        (scan(), REFUSED),
        (replace(scan(), quantity=2), REFUSED),
    ],
}


def _fates(*changes: Change, seq: int = 0, evidence: Evidence | None = None) -> list[str]:
    verdicts = decided(*changes, seq=seq, evidence=evidence).verdicts
    return [REFUSED if isinstance(each, DuplicateOperation) else SCAN for each in verdicts]


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_a_scan_counts_until_it_is_unbound_within_a_batch(
    sequence: list[tuple[Change, str]],
) -> None:
    assert _fates(*(change for change, _ in sequence)) == [fate for _, fate in sequence]


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_a_scan_counts_until_it_is_unbound_across_batches(
    sequence: list[tuple[Change, str]],
) -> None:
    state, seq, evidence = OrderState(), 0, Evidence()
    fates = []
    for change, _ in sequence:
        decision = decided(change, state=state, seq=seq, evidence=evidence)
        refused = isinstance(decision.verdicts[0], DuplicateOperation)
        fates.append(REFUSED if refused else SCAN)
        state, seq = decision.after, seq + len(decision.outcomes)
    assert fates == [fate for _, fate in sequence]


@pytest.mark.parametrize(
    ("scanned", "unbound", "fate"),
    [
        ((EARLIER, "b"), None, REFUSED),
        ((EARLIER, "b"), (AT, "a"), SCAN),
        ((AT, "a"), (EARLIER, "b"), REFUSED),
        ((EARLIER, "a"), (EARLIER, "b"), SCAN),
        ((EARLIER, "b"), (EARLIER, "a"), REFUSED),
    ],
    ids=["scan alone", "unbound later", "unbound before", "by id: unbound", "by id: scanned"],
)
def test_entries_older_than_this_service_are_ordered_by_time_and_id(
    scanned: tuple[object, str], unbound: tuple[object, str] | None, fate: str
) -> None:
    evidence = Evidence()
    evidence.note_scan("SN-1", STEP, LogPosition(0, *scanned))  # type: ignore[arg-type]
    if unbound:
        evidence.note_unbind("SN-1", LogPosition(0, *unbound))  # type: ignore[arg-type]
    assert _fates(scan(), evidence=evidence) == [fate]


def test_an_unbind_of_ours_frees_a_scan_that_the_old_service_logged() -> None:
    evidence = Evidence()
    evidence.note_scan("SN-1", STEP, LogPosition(0, EARLIER, "f" * 24))
    assert _fates(scan(), unbind(), scan(), scan(), evidence=evidence) == [
        REFUSED,
        SCAN,
        SCAN,
        REFUSED,
    ]


def test_an_unbind_of_the_old_service_frees_no_scan_that_comes_after_it() -> None:
    evidence = Evidence()
    evidence.note_unbind("SN-1", LogPosition(0, EARLIER, "f" * 24))
    assert _fates(scan(), scan(), evidence=evidence) == [SCAN, REFUSED]


def test_the_old_service_that_ran_in_between_is_believed() -> None:
    """Ours, the old service's, ours again: each of its entries stands between two of ours."""
    unbound = Evidence()
    unbound.note_scan("SN-1", STEP, LogPosition(1, EARLIER, "a" * 24))
    unbound.note_unbind("SN-1", LogPosition(0, EARLIER + timedelta(milliseconds=1), "b" * 24))
    assert _fates(scan(), scan(), seq=1, evidence=unbound) == [SCAN, REFUSED]

    scanned = Evidence()
    scanned.note_unbind("SN-1", LogPosition(1, EARLIER, "a" * 24))
    scanned.note_scan("SN-1", STEP, LogPosition(0, EARLIER + timedelta(milliseconds=1), "b" * 24))
    assert _fates(scan(), seq=1, evidence=scanned) == [REFUSED]


def test_evidence_keeps_the_latest_scan_and_unbind_in_whatever_order_they_are_told() -> None:
    early, late = LogPosition(0, EARLIER, "a"), LogPosition(4, AT, "b")
    for first, second in ((early, late), (late, early)):
        evidence = Evidence()
        for position in (first, second):
            evidence.note_scan("SN-1", STEP, position)
            evidence.note_unbind("SN-1", position)
        assert evidence.scans == {("SN-1", STEP): late}
        assert evidence.unbinds == {"SN-1": late}


def test_evidence_notes_an_entry_under_its_job_its_key_and_its_barcode() -> None:
    scanned, unbound = _entry(scan(key="key-1")), _entry(unbind(key="key-2"), seq=2)
    plain = _entry(input_of(3, related_barcode="SN-1"), seq=3)
    evidence = Evidence()
    for each in (scanned, unbound, plain):
        evidence.note(each)
    assert evidence.by_job == {each.change.job_id: each for each in (scanned, unbound, plain)}
    assert evidence.by_request == {"key-1": scanned, "key-2": unbound}
    assert evidence.scans == {("SN-1", STEP): _position(scanned)}
    assert evidence.unbinds == {"SN-1": _position(unbound)}


def test_evidence_notes_a_refusal_under_its_job_and_key_alone() -> None:
    refusal = known_refusal(scan(key="key-1"))
    evidence = Evidence()
    evidence.note(refusal)
    assert evidence.by_job == {refusal.change.job_id: refusal}
    assert evidence.by_request == {"key-1": refusal}
    assert not evidence.scans
    assert not evidence.unbinds


def test_evidence_that_is_included_adds_to_what_is_known_and_never_turns_it_back() -> None:
    old_scan, old_unbind = _entry(scan(key="key-1")), _entry(unbind(key="key-2"), seq=2)
    new_scan, new_unbind = _entry(scan(), seq=3), _entry(unbind(), seq=4)
    elsewhere = _entry(scan("SN-2", key="key-3"), seq=5)
    for mine, other in (
        ((old_scan, new_unbind), (new_scan, old_unbind, elsewhere)),
        ((new_scan, old_unbind, elsewhere), (old_scan, new_unbind)),
    ):
        evidence, more = Evidence(), Evidence()
        for each in mine:
            evidence.note(each)
        for each in other:
            more.note(each)
        evidence.include(more)
        assert evidence.by_job == {each.change.job_id: each for each in (*mine, *other)}
        assert evidence.by_request == {"key-1": old_scan, "key-2": old_unbind, "key-3": elsewhere}
        assert evidence.scans == {
            ("SN-1", STEP): _position(new_scan),
            ("SN-2", STEP): _position(elsewhere),
        }
        assert evidence.unbinds == {"SN-1": _position(new_unbind)}


def _entry(change: Change, seq: int = 1) -> LogEntry:
    (entry,) = decided(change, seq=seq - 1).outcomes
    assert isinstance(entry, LogEntry)
    return entry


def _position(entry: LogEntry) -> LogPosition:
    return LogPosition(entry.seq, entry.operate_time, entry.change.job_id)
