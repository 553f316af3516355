"""What is found in one order, and what stays found or not after a repair."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from actors.store.sqlite.rows import log_document, to_text
from scripts.reconcile.book import Book
from scripts.reconcile.examine import examine
from scripts.reconcile.findings import Kind, undo_key
from scripts.reconcile.rows import row_of
from tests.misbooked import START, Account, Document, spoilt

if TYPE_CHECKING:
    from scripts.reconcile.findings import Finding

_LATER = START + timedelta(days=1)


def found(account: Account, before: datetime = _LATER) -> list[Finding]:
    # Newest first, as an index gives them; what JSON holds is what SQLite gives back.
    rows = [row_of(log_document(to_text(each)), str) for each in reversed(account.log)]
    return examine(Book.of(account.id, account.order, rows, str), str, before)


def _repaired(account: Account, finding: Finding, key: str | None = None, sign: int = 1) -> None:
    """Do what the service does with a repair."""
    repair = finding.repair
    assert repair is not None
    account.count(repair.type, sign * repair.quantity, barcodeOperation="MANUAL_ADJUST")
    ours = account.log[-1].setdefault("planServer", {})
    ours["requestId"] = key or finding.key


def test_each_planted_fault_is_found_and_nothing_else() -> None:
    accounts, expected = spoilt()
    seen = [(each.kind, each.order, each.subject) for one in accounts for each in found(one)]
    assert sorted(seen) == sorted(expected)


def test_a_repair_leaves_nothing_of_its_finding_and_its_undo_brings_it_back() -> None:
    accounts, _ = spoilt()
    tried = set()
    for account in accounts:
        for finding in found(account):
            if finding.repair is None or not finding.repair.quantity:
                continue
            tried.add(finding.kind)
            others = [each for each in found(account) if each != finding]
            _repaired(account, finding)
            assert _without_progress(found(account)) == _without_progress(others)
            if finding.kind is Kind.NEGATIVE:
                continue  # which the service brings no quantity to
            _repaired(account, finding, undo_key(finding.key), -1)
            again = found(account)
            shown = _without_progress(again)
            assert len(shown) == len(_without_progress([*others, finding]))
            assert finding.key not in {each.key for each in again}, "its key is used up"
    assert tried == {
        Kind.QUANTITY,
        Kind.LOST_CHANGE,
        Kind.BARCODE_NET,
        Kind.REPEATED_SCAN,
        Kind.NEGATIVE,
    }


def _without_progress(findings: list[Finding]) -> list[tuple[Kind, str]]:
    return [(each.kind, each.subject) for each in findings if each.kind is not Kind.PROGRESS]


def test_a_finding_has_the_same_key_until_something_about_it_changes() -> None:
    account = Account(1)
    for _ in range(3):
        account.count("output", 1, "SN-1")
    (first,) = found(account)
    assert found(account) == [first]
    account.count("output", 1, "SN-2")
    assert found(account) == [first], "of another barcode"
    account.count("output", 1, "SN-1")
    (then,) = found(account)
    assert then.key != first.key
    assert then.repair is not None
    assert then.repair.quantity == -3


def test_what_only_the_outbox_has_is_part_of_the_log_until_it_is_left_there() -> None:
    account = Account(1, ours=True)
    account.count("input", 1, "SN-1")
    account.count("input", 1, "SN-2")
    kept = account.log.pop()
    account.order["planServer"]["outbox"] = [kept]
    assert found(account, before=START) == []
    (left,) = found(account)
    assert left.kind is Kind.OUTBOX
    account.log.append(kept)
    assert found(account) == []


def test_a_refusal_in_the_outbox_is_no_entry() -> None:
    account = Account(1, ours=True)
    account.count("input", 1)
    refusal: Document = {"_id": "f" * 24, "refused": "DUPLICATE_OPERATION", "changeType": "input"}
    account.order["planServer"]["outbox"] = [refusal]
    assert found(account) == []


def test_entries_of_one_instant_are_put_in_the_order_of_their_quantities() -> None:
    account = Account(1)
    for barcode in ("SN-1", "SN-2", "SN-3"):
        account.count("input", 1, barcode, operateTime=START)
    ids = [each["_id"] for each in account.log]
    for each, other in zip(account.log, reversed(ids), strict=True):
        each["_id"] = other
    assert found(account) == []


def test_an_unbind_of_what_may_be_among_missing_entries_is_not_put_right() -> None:
    account = Account(1)
    account.order["inputQuantity"] = 5
    account.count("input", -1, "SN-1", barcodeOperation="UNBIND_PROCESS")
    kinds = {each.kind: each.repair for each in found(account)}
    assert kinds == {Kind.MISSING_ROW: None, Kind.BARCODE_NET: None}


def test_entries_of_an_order_that_is_gone_are_told_of_once() -> None:
    account = Account(1)
    account.count("input", 1)
    rows = [row_of(each, str) for each in account.log]
    (gone,) = examine(Book.of(account.id, None, rows, str), str, _LATER)
    assert (gone.kind, gone.repair) == (Kind.ORPHAN_ROWS, None)


def test_a_key_that_somebody_else_made_up_settles_nothing() -> None:
    account = Account(1)
    account.count("input", 1, "SN-1")
    account.count("input", 1, "SN-1")
    (finding,) = found(account)
    account.count("input", -1)
    account.log[-1]["planServer"] = {"requestId": finding.key}
    assert [each.kind for each in found(account)] == [Kind.REPEATED_SCAN], "no MANUAL_ADJUST"


def test_fractions_add_up_as_they_are_written() -> None:
    account = Account(1)
    account.enter("input", 0.1, 0)
    account.enter("input", 0.2, 0.1, afterQuantity=0.3)
    account.order["inputQuantity"] = 0.3
    assert found(account) == []
