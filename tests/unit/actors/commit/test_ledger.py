"""The ledger: which outcomes are committed and not yet known to be in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.commit.ledger import Ledger
from actors.domain.evidence import Refusal
from actors.domain.model import WorkOrderId
from tests.unit.strategies import AT, EPOCH, ORDER_ID, decided, known_refusal, output_of, scan

if TYPE_CHECKING:
    from actors.domain.evidence import Outcome
    from actors.domain.model import Change

OTHER_ORDER = WorkOrderId("f" * 24)


def _entries(*changes: Change, seq: int = 0) -> list[Outcome]:
    return list(decided(*changes, seq=seq).outcomes)


def _elsewhere() -> Refusal:
    return Refusal(OTHER_ORDER, EPOCH, scan(key="key-1"), AT)


def test_an_empty_ledger_knows_nothing() -> None:
    ledger = Ledger()
    assert (len(ledger), ledger.of(ORDER_ID), ledger.count(ORDER_ID)) == (0, (), 0)
    assert ledger.highest_seq(ORDER_ID) == 0


def test_outcomes_are_kept_by_order_oldest_first() -> None:
    ledger, elsewhere = Ledger(), _elsewhere()
    first, second = _entries(output_of(), output_of())
    ledger.add([first])
    ledger.add([elsewhere, second])
    assert ledger.of(ORDER_ID) == (first, second)
    assert ledger.of(OTHER_ORDER) == (elsewhere,)
    assert (len(ledger), ledger.count(ORDER_ID), ledger.count(OTHER_ORDER)) == (3, 2, 1)


def test_only_what_was_not_noted_before_is_given_back() -> None:
    ledger = Ledger()
    first, second = _entries(output_of(), output_of())
    assert ledger.add([first]) == [first]
    assert ledger.add([first, second, second]) == [second]
    assert ledger.of(ORDER_ID) == (first, second)


def test_what_is_durable_is_forgotten_and_may_be_noted_again() -> None:
    ledger = Ledger()
    first, second = _entries(output_of(), output_of())
    ledger.add([first, second])
    ledger.remove([first])
    assert ledger.of(ORDER_ID) == (second,)
    assert ledger.add([first, second]) == [first]


def test_forgetting_what_is_not_held_does_no_harm() -> None:
    ledger = Ledger()
    first, second = _entries(output_of(), output_of())
    ledger.add([first])
    ledger.remove([second, _elsewhere()])
    ledger.remove([first, first])
    assert len(ledger) == 0
    ledger.remove([first])
    assert (len(ledger), ledger.count(ORDER_ID)) == (0, 0)


def test_nothing_is_left_of_an_order_whose_outcomes_are_all_durable() -> None:
    ledger, outcomes = Ledger(), _entries(output_of(), output_of())
    ledger.add(outcomes)
    ledger.on_progress(ORDER_ID, lambda: None)
    ledger.remove(outcomes)
    assert ledger == Ledger()


def test_the_highest_seq_is_that_of_the_entries_and_refusals_have_none() -> None:
    ledger = Ledger()
    first, second = _entries(output_of(), output_of(), seq=40)
    ledger.add([second, first, known_refusal(scan(key="key-1"))])
    assert ledger.highest_seq(ORDER_ID) == 42
    ledger.remove([second])
    assert ledger.highest_seq(ORDER_ID) == 41
    ledger.remove([first])
    assert ledger.highest_seq(ORDER_ID) == 0


def test_who_waits_for_progress_is_woken_once_by_the_order_itself() -> None:
    ledger, woken = Ledger(), list[str]()
    first, second = _entries(output_of(), output_of())
    elsewhere = _elsewhere()
    ledger.add([first, second, elsewhere])
    ledger.on_progress(ORDER_ID, lambda: woken.append("one"))
    ledger.on_progress(ORDER_ID, lambda: woken.append("two"))
    ledger.remove([elsewhere])
    assert woken == []
    ledger.remove([first])
    assert woken == ["one", "two"]
    ledger.remove([second])
    assert woken == ["one", "two"]


def test_who_waits_is_not_woken_by_what_was_not_held() -> None:
    ledger, woken = Ledger(), list[str]()
    first, second = _entries(output_of(), output_of())
    ledger.add([first])
    ledger.on_progress(ORDER_ID, lambda: woken.append("woken"))
    ledger.remove([second])
    assert woken == []


def test_who_waits_is_woken_once_by_several_removals_at_once_and_finds_the_room() -> None:
    ledger, left = Ledger(), list[int]()
    outcomes = _entries(output_of(), output_of(), output_of())
    ledger.add(outcomes)
    ledger.on_progress(ORDER_ID, lambda: left.append(ledger.count(ORDER_ID)))
    ledger.remove(outcomes[:2])
    assert left == [1]


def test_who_waits_again_when_woken_is_woken_by_the_next_progress() -> None:
    ledger, woken = Ledger(), list[int]()
    first, second = _entries(output_of(), output_of())
    ledger.add([first, second])

    def wake() -> None:
        woken.append(ledger.count(ORDER_ID))
        ledger.on_progress(ORDER_ID, wake)

    ledger.on_progress(ORDER_ID, wake)
    ledger.remove([first])
    assert woken == [1]
    ledger.remove([second])
    assert woken == [1, 0]


def test_what_is_held_for_one_order_is_nobody_elses() -> None:
    ledger = Ledger()
    scanned, moved = _entries(scan(key="key-1"), output_of())
    refusal, elsewhere = known_refusal(scan("SN-2", key="key-2")), _elsewhere()
    ledger.add([scanned, moved, refusal, elsewhere])
    assert ledger.of(ORDER_ID) == (scanned, moved, refusal)
    assert ledger.of(OTHER_ORDER) == (elsewhere,)
    ledger.remove([scanned])
    assert ledger.of(ORDER_ID) == (moved, refusal)
