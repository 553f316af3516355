"""The checker of the chaos suite sees each kind of violation, and none where there is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.checker import Verdict, check
from tests.chaos.figures import quantile
from tests.chaos.fleet import orders_from
from tests.chaos.history import HistoryWriter, Intent, read_history, read_operations
from tests.service.books import Books

if TYPE_CHECKING:
    from pathlib import Path

ORDER = orders_from(1, 1)[0]


class Case:
    """Three inputs of 1, applied one after the other and acknowledged; then something is off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begin_anew()
        self.operations: list[tuple[str, str, float, int]] = []
        self.refused: set[str] = set()
        self.code = ""
        self.log = [self.entry(seq) for seq in (1, 2, 3)]
        self.after: dict[str, Any] = {
            **ORDER,
            "inputQuantity": 3,
            "updateAt": 3,
            "planServer": {"seq": 3},
        }
        for seq in (1, 2, 3):
            self.call(seq, "first", 200, self.told(seq))

    def begin_anew(self) -> None:
        """Forget the calls, not the log."""
        self.calls: list[tuple[int, str, int, dict[str, Any]]] = []

    def entry(self, seq: int, key: str = "") -> dict[str, Any]:
        return {
            "_id": f"job{seq}",
            "planServer": {"seq": seq, "requestId": key or f"k{seq}"},
            "changeType": "input",
            "changeQuantity": 1,
            "beforeQuantity": seq - 1,
            "afterQuantity": seq,
            "beforeStatus": "IN_PROGRESS",
            "afterStatus": "IN_PROGRESS",
            "beforeProgress": 0,
            "afterProgress": 0,
            "relatedBarcode": None,
            "processStepId": None,
            "operateTime": seq,
        }

    def told(self, seq: int, **other: Any) -> dict[str, Any]:  # noqa: ANN401 -- a reply's fields
        entry = self.entry(seq)
        return {
            "jobId": entry["_id"],
            "seq": seq,
            "quantity": 1,
            "beforeQuantity": seq - 1,
            "afterQuantity": seq,
            "replayed": False,
            **other,
        }

    def call(self, number: int, purpose: str, status: int, data: dict[str, Any]) -> None:
        self.calls.append((number, purpose, status, data))

    def verdict(self) -> Verdict:
        known = set()
        with HistoryWriter(self.path) as history:
            for number, purpose, status, data in self.calls:
                intent = Intent(f"k{number}", ORDER["_id"], "input", 1)
                if number not in known:
                    history.intends(intent)
                    known.add(number)
                attempt = history.sends(intent, purpose, 0)
                history.hears(attempt, status, self.code or str(status), data)
            for what, target, sent_at, status in self.operations:
                history.operates(what, target, sent_at, status)
        books = [Books(ORDER, self.after, self.log, raw=True)]
        return check(read_history(self.path), books, read_operations(self.path), self.refused)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "history.jsonl")


def test_a_sound_history_is_sound(case: Case) -> None:
    case.call(1, "again", 200, case.told(1, replayed=True))
    case.call(2, "other", 422, {})
    case.call(4, "first", 409, {})
    case.call(5, "first", 0, {})
    verdict = case.verdict()
    assert (verdict.violations, verdict.examples) == (0, [])
    assert (verdict.acknowledged, verdict.refused, verdict.unknown) == (3, 1, 1)


def test_an_acknowledged_change_that_is_not_in_the_log_is_lost(case: Case) -> None:
    case.log.pop()
    assert {"lost", "gaps or forks", "sum mismatches"} == {*case.verdict().found}


def test_an_answer_that_is_not_what_the_log_has_is_lost(case: Case) -> None:
    case.call(4, "first", 200, case.told(3) | {"seq": 2})
    case.log[2] = case.entry(3, key="k4")
    assert case.verdict().found["lost"] == 2


def test_two_entries_of_a_key_are_doubled(case: Case) -> None:
    case.log[2] = case.entry(3, key="k2")
    assert case.verdict().found["doubled"] == 1


def test_an_entry_that_nobody_sent_is_a_phantom(case: Case) -> None:
    case.log[2] = case.entry(3, key="nobody's")
    assert case.verdict().found["phantom"] == 1


def test_a_refused_change_in_the_log_is_a_phantom(case: Case) -> None:
    case.call(4, "first", 409, {})
    case.log[2] = case.entry(3, key="k4")
    assert case.verdict().found["phantom"] == 1


def test_a_fork_is_seen(case: Case) -> None:
    case.log[2]["planServer"]["seq"] = 2
    assert case.verdict().found["gaps or forks"] == 1


def test_an_order_that_does_not_add_up_to_its_log_is_seen(case: Case) -> None:
    case.after["inputQuantity"] = 4
    assert [*case.verdict().found] == ["sum mismatches"]


def test_a_change_that_was_sent_later_and_came_before_is_an_inversion(case: Case) -> None:
    case.log[0]["planServer"], case.log[2]["planServer"] = (
        {"seq": 1, "requestId": "k3"},
        {"seq": 3, "requestId": "k1"},
    )
    case.begin_anew()
    for number, seq in ((1, 3), (2, 2), (3, 1)):
        case.call(number, "first", 200, case.told(seq))
    assert case.verdict().found["inversions"] == 2


@pytest.mark.parametrize(
    ("first", "later", "inversions"), [(504, "QUEUED", 0), (503, "QUEUED", 1), (504, "UPDATED", 1)]
)
def test_only_what_was_in_doubt_may_come_before_what_was_queued_earlier(
    case: Case, tmp_path: Path, first: int, later: str, inversions: int
) -> None:
    path = tmp_path / "two.jsonl"
    with HistoryWriter(path) as history:
        for number, answers in ((2, [(200, later)]), (1, [(first, ""), (200, "UPDATED")])):
            intent = Intent(f"k{number}", ORDER["_id"], "input", 1)
            history.intends(intent)
            for status, code in answers:
                history.hears(history.sends(intent, "first", 0), status, code, case.told(number))
    case.log.pop()
    verdict = check(read_history(path), [Books(ORDER, case.after, case.log, raw=True)])
    assert (verdict.found["inversions"], verdict.old_places) == (inversions, 1 - inversions)


def test_retries_that_disagree_are_seen(case: Case) -> None:
    case.call(1, "again", 409, {})
    case.call(2, "again", 200, case.told(2))
    assert case.verdict().found["disagreeing retries"] == 2


def test_another_content_that_is_not_refused_is_seen(case: Case) -> None:
    case.call(1, "other", 200, case.told(1, replayed=True))
    assert case.verdict().found["conflicts not seen"] == 1


def test_not_applied_that_was_applied_is_seen(case: Case) -> None:
    case.begin_anew()
    case.call(1, "first", 503, {})
    for seq in (1, 2, 3):
        case.call(seq, "first", 200, case.told(seq, replayed=seq == 1))
    assert case.verdict().found["told not applied, but was"] == 1


def test_a_job_that_was_taken_back_is_not_missed(case: Case) -> None:
    case.call(4, "first", 200, {"jobId": "job4"})
    case.operations.append(("delete", "k4", 0.0, 200))
    case.call(5, "first", 200, {"jobId": "job5"})
    case.operations.append(("delete", "k5", 0.0, 0))
    assert case.verdict().violations == 0


def test_a_job_whose_removal_was_refused_must_be_applied(case: Case) -> None:
    case.call(4, "first", 200, {"jobId": "job4"})
    case.operations.append(("delete", "k4", 0.0, 409))
    assert [*case.verdict().found] == ["lost"]


def test_a_queued_change_that_was_refused_in_its_turn_is_not_missed(case: Case) -> None:
    case.call(4, "first", 200, {"jobId": "job4"})
    case.code = "QUEUED"
    case.refused = {"k4"}
    assert case.verdict().violations == 0
    case.refused = set()
    assert [*case.verdict().found] == ["QUEUED that vanished"]


def test_a_queued_change_may_be_a_repeat_only_of_one_that_was_in_doubt(case: Case) -> None:
    case.log[0]["_id"] = "earlier"
    case.begin_anew()
    case.call(1, "first", 504, {})
    case.call(1, "first", 200, {"jobId": "job1"})
    case.code = "QUEUED"
    assert (case.verdict().found["QUEUED that vanished"], case.verdict().queued_anew) == (0, 1)
    case.begin_anew()
    case.call(1, "first", 503, {})
    case.call(1, "first", 200, {"jobId": "job1"})
    assert case.verdict().found["QUEUED that vanished"] == 1


def test_a_job_that_is_applied_although_it_was_taken_back_is_seen(case: Case) -> None:
    case.operations.append(("delete", "k3", 0.0, 200))
    assert [*case.verdict().found] == ["applied after its DELETE"]


@pytest.mark.parametrize("target", [ORDER["_id"], ""])
def test_a_change_that_is_applied_during_a_pause_is_seen(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    # Of that module alone: threads of other tests' drivers ask for the time as well.
    now = SimpleNamespace(monotonic=lambda: float(next(clock)))
    monkeypatch.setattr("tests.chaos.history.time", now)
    path = tmp_path / "history.jsonl"
    with HistoryWriter(path) as history:
        history.operates("pause", target, 0.0, 200)
        for number in (1, 2):
            intent = Intent(f"k{number}", ORDER["_id"], "input", 1)
            history.intends(intent)
            history.hears(history.sends(intent, "first", 0), 200, "UPDATED", {})
            # The second one is told after the pause's end was asked for.
            history.operates("resume", target, 3.5 if number == 1 else 50.0, 200)
    verdict = check(read_history(path), [], read_operations(path))
    assert verdict.found["pauses that did not hold"] == 1


def test_quantiles_are_values_that_occurred() -> None:
    values = [float(each) for each in range(1, 101)]
    assert [quantile(values, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
    assert quantile([7.0], 0.99) == 7
