"""The checker itself: it must find each kind of mistake, or its silence means nothing."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.books import Books
from tests.service.checker import mistakes_in
from tests.trace import Outcome, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ORDER = "6560a0000000000000000001"
STEP = "6560a00000000000000000a1"
SCAN = {"relatedBarcode": "SN-1", "processStepId": STEP, "barcodeOperation": "SCAN_PROCESS"}
MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Case:
    """One order with three entries: a scan, an output that completes it, and one taken back."""

    def __init__(self) -> None:
        self.before: dict[str, Any] = {
            "_id": ORDER,
            "status": "IN_PROGRESS",
            "planProductionQuantity": 1,
            "inputQuantity": 0,
            "outputQuantity": 0,
            "progress": 0,
            "customerCode": "C1",
        }
        self.log: list[dict[str, Any]] = []
        self.outcomes: list[Outcome] = []
        self._add(
            Update(ORDER, "input", 1, SCAN), 1, (0, 1), ("IN_PROGRESS", 0), ("IN_PROGRESS", 0)
        )
        self._add(
            Update(ORDER, "output", 1, key="k"), 1, (0, 1), ("IN_PROGRESS", 0), ("COMPLETED", 100)
        )
        self._add(Update(ORDER, "output", -5), -1, (1, 0), ("COMPLETED", 100), ("PAUSED", 0))
        self.after = self.before | {
            "inputQuantity": 1,
            "status": "PAUSED",
            "actualEndTime": self.log[1]["operateTime"],
            "updateAt": self.log[2]["operateTime"],
            "planServer": {"seq": 3, "outbox": []},
        }

    def _add(
        self,
        update: Update,
        applied: int,
        quantities: tuple[int, int],
        was: tuple[str, int],
        becomes: tuple[str, int],
    ) -> None:
        number = len(self.log) + 1
        facts = {
            "beforeQuantity": quantities[0],
            "afterQuantity": quantities[1],
            "beforeStatus": was[0],
            "afterStatus": becomes[0],
            "beforeProgress": was[1],
            "afterProgress": becomes[1],
        }
        what = "投入" if update.type == "input" else "产出"
        self.log.append(
            {
                "_id": f"job-{number}",
                "workOrderId": ORDER,
                "changeType": update.type,
                "changeQuantity": applied,
                "relatedBarcode": None,
                "processStepId": None,
                "barcodeOperation": "OTHER",
                "operatorId": "SYSTEM",
                "isAutomatic": True,
                "source": "SYSTEM",
                "reason": f"{what}数量{'减少' if update.asked < 0 else '增加'}",
                "operateTime": MORNING + timedelta(seconds=number),
                "planServer": {"seq": number},
                **facts,
                **update.context,
            }
        )
        data = {"jobId": f"job-{number}", "quantity": applied, "seq": number, "replayed": False}
        self.outcomes.append(Outcome(update, update.key, "UPDATED", {**data, **facts}))

    def mistakes(self, *, replies_lost: bool = False, unknown: Sequence[Update] = ()) -> list[str]:
        books = [Books(self.before, self.after, self.log, raw=True)]
        return mistakes_in(books, self.outcomes, replies_lost=replies_lost, unknown=unknown)


def _lost(case: Case) -> None:
    del case.log[2]


def _doubled(case: Case) -> None:
    again = deepcopy(case.log[0])
    case.log.append(again | {"_id": "job-4", "planServer": {"seq": 4}})


def _gap_in_seq(case: Case) -> None:
    case.log[2]["planServer"]["seq"] = 4


def _broken_chain(case: Case) -> None:
    case.log[2] |= {"beforeQuantity": 3, "changeQuantity": -3}


def _order_off_its_log(case: Case) -> None:
    case.after["inputQuantity"] = 2


def _decrease_not_cut(case: Case) -> None:
    case.log[2] |= {"changeQuantity": -5, "afterQuantity": -4}
    case.after["outputQuantity"] = -4


def _wrong_status(case: Case) -> None:
    case.log[2]["afterStatus"] = case.after["status"] = "COMPLETED"


def _wrong_progress(case: Case) -> None:
    case.log[1]["afterProgress"] = 99


def _status_overwritten(case: Case) -> None:
    case.after["status"] = "IN_PROGRESS"


def _foreign_field_lost(case: Case) -> None:
    del case.after["customerCode"]


def _end_time_missing(case: Case) -> None:
    del case.after["actualEndTime"]


def _outbox_left(case: Case) -> None:
    case.after["planServer"]["outbox"] = [{}]


def _scan_counted_twice(case: Case) -> None:
    second = Update(ORDER, "input", 1, SCAN)
    case._add(second, 1, (1, 2), ("PAUSED", 0), ("PAUSED", 0))  # noqa: SLF001
    case.after |= {"inputQuantity": 2, "updateAt": case.log[3]["operateTime"]}


def _told_otherwise(case: Case) -> None:
    told = case.outcomes[0]
    case.outcomes[0] = Outcome(told.update, told.key, told.code, {**told.data, "quantity": 2})


def _context_lost(case: Case) -> None:
    case.log[0]["processStepId"] = None


def _reason_missing(case: Case) -> None:
    case.log[1]["reason"] = None


def _refused_without_reason(case: Case) -> None:
    case.outcomes.append(Outcome(Update(ORDER, "input"), None, "DUPLICATE_OPERATION", {}))


def _refused_and_applied(case: Case) -> None:
    told = case.outcomes[0]
    refused = Update(ORDER, "input", 1, SCAN, expected="DUPLICATE_OPERATION")
    case.outcomes[0] = Outcome(refused, told.key, "DUPLICATE_OPERATION", {})


def _two_jobs_for_one_key(case: Case) -> None:
    again = case.outcomes[1]
    data = {**again.data, "jobId": "job-9", "replayed": True}
    case.outcomes.append(Outcome(again.update, again.key, again.code, data))


def _key_applied_twice(case: Case) -> None:
    case.outcomes.append(case.outcomes[1])


@pytest.mark.parametrize(
    "tamper",
    [
        _lost,
        _doubled,
        _gap_in_seq,
        _broken_chain,
        _order_off_its_log,
        _decrease_not_cut,
        _wrong_status,
        _wrong_progress,
        _status_overwritten,
        _foreign_field_lost,
        _end_time_missing,
        _outbox_left,
        _scan_counted_twice,
        _told_otherwise,
        _context_lost,
        _reason_missing,
        _refused_without_reason,
        _refused_and_applied,
        _two_jobs_for_one_key,
        _key_applied_twice,
    ],
)
def test_the_checker_finds_what_is_wrong(tamper: Callable[[Case], None]) -> None:
    case = Case()
    assert case.mistakes() == []

    tamper(case)

    assert case.mistakes() != []


def test_where_replies_are_lost_a_key_may_only_have_been_replayed() -> None:
    case = Case()
    first = case.outcomes[1]
    case.outcomes[1] = Outcome(first.update, "k", first.code, {**first.data, "replayed": True})

    assert case.mistakes() != []
    assert case.mistakes(replies_lost=True) == []


def test_what_was_never_answered_may_be_there_once_and_no_more() -> None:
    case = Case()
    unknown = [Update(ORDER, "input", 1, {"relatedBarcode": "SN-9"})]
    assert case.mistakes(unknown=unknown) == []

    case._add(unknown[0], 1, (1, 2), ("PAUSED", 0), ("PAUSED", 0))  # noqa: SLF001
    case.outcomes.pop()
    case.after |= {"inputQuantity": 2, "updateAt": case.log[3]["operateTime"]}
    assert case.mistakes() != []
    assert case.mistakes(unknown=unknown) == []

    case._add(unknown[0], 1, (2, 3), ("PAUSED", 0), ("PAUSED", 0))  # noqa: SLF001
    case.outcomes.pop()
    case.after |= {"inputQuantity": 3, "updateAt": case.log[4]["operateTime"]}
    assert case.mistakes(unknown=unknown) != []
