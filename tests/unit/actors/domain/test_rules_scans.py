"""Rule 4: which changes are first-step scans and unbinds, and which scan counts twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from actors.domain.model import LogPosition
from actors.domain.rules import counts_twice, is_first_step_scan, is_unbind
from tests.unit.strategies import AT, input_of, output_of, scan, unbind

if TYPE_CHECKING:
    from actors.domain.model import Change

LATER = AT + timedelta(seconds=1)


@pytest.mark.parametrize("quantity", [1, 5, 0.5])
def test_an_input_increase_with_barcode_and_step_that_scans_a_process_is_a_first_step_scan(
    quantity: float,
) -> None:
    assert is_first_step_scan(replace(scan(), quantity=quantity))


@pytest.mark.parametrize(
    "change",
    [
        replace(scan(), type=output_of().type),
        replace(scan(), quantity=0),
        replace(scan(), quantity=-1),
        replace(scan(), context=replace(scan().context, related_barcode=None)),
        replace(scan(), context=replace(scan().context, related_barcode="")),
        replace(scan(), context=replace(scan().context, process_step_id=None)),
        replace(scan(), context=replace(scan().context, process_step_id="")),
        replace(scan(), context=replace(scan().context, barcode_operation="SCAN_BATCH_DOC")),
        replace(scan(), context=replace(scan().context, barcode_operation="OTHER")),
    ],
    ids=[
        "output",
        "nothing",
        "decrease",
        "no barcode",
        "empty barcode",
        "no step",
        "empty step",
        "batch document",
        "other operation",
    ],
)
def test_whatever_lacks_one_of_these_is_no_first_step_scan(change: Change) -> None:
    assert not is_first_step_scan(change)


@pytest.mark.parametrize(
    ("change", "unbinds"),
    [
        (unbind(), True),
        (unbind(quantity=-0.5), True),
        (replace(scan(), quantity=-1), True),
        (input_of(-1, related_barcode="SN-1"), True),
        (unbind(quantity=0), False),
        (unbind(quantity=1), False),
        (input_of(-1), False),
        (input_of(-1, related_barcode=""), False),
        (output_of(-1, related_barcode="SN-1"), False),
    ],
)
def test_any_input_decrease_with_a_barcode_is_an_unbind(change: Change, *, unbinds: bool) -> None:
    assert is_unbind(change) is unbinds


@pytest.mark.parametrize(
    ("scanned", "unbound", "twice"),
    [
        (None, None, False),
        (None, LogPosition(1, AT, "a"), False),
        (LogPosition(1, AT, "a"), None, True),
        (LogPosition(2, AT, "b"), LogPosition(1, AT, "a"), True),
        (LogPosition(1, AT, "a"), LogPosition(2, AT, "b"), False),
        (LogPosition(2, AT, "a"), LogPosition(1, LATER, "b"), True),
        (LogPosition(1, LATER, "b"), LogPosition(2, AT, "a"), False),
        (LogPosition(0, LATER, "b"), LogPosition(0, AT, "a"), True),
        (LogPosition(0, AT, "b"), LogPosition(0, LATER, "a"), False),
        (LogPosition(0, AT, "b"), LogPosition(0, AT, "a"), True),
        (LogPosition(0, AT, "a"), LogPosition(0, AT, "b"), False),
        (LogPosition(0, AT, "b"), LogPosition(1, LATER, "a"), False),
        (LogPosition(1, LATER, "a"), LogPosition(0, AT, "b"), True),
        (LogPosition(0, LATER, "b"), LogPosition(1, AT, "a"), True),
        (LogPosition(1, AT, "a"), LogPosition(0, LATER, "b"), False),
        (LogPosition(0, AT, "b"), LogPosition(1, AT, "a"), False),
        (LogPosition(1, AT, "a"), LogPosition(0, AT, "b"), True),
    ],
    ids=[
        "nothing known",
        "unbind alone",
        "scan alone",
        "unbind then scan",
        "scan then unbind",
        "seq decides over a clock that ran ahead: scan",
        "seq decides over a clock that ran ahead: unbind",
        "old entries by time: scan",
        "old entries by time: unbind",
        "old entries of one moment by id: scan",
        "old entries of one moment by id: unbind",
        "their scan, then unbind of ours",
        "their unbind, then scan of ours",
        "unbind of ours, then their scan",
        "scan of ours, then their unbind",
        "their scan and unbind of ours at one moment",
        "their unbind and scan of ours at one moment",
    ],
)
def test_a_scan_counts_twice_unless_the_unbind_is_the_later_of_the_two(
    scanned: LogPosition | None, unbound: LogPosition | None, *, twice: bool
) -> None:
    assert counts_twice(scanned, unbound) is twice


def test_a_position_is_not_later_than_itself() -> None:
    position = LogPosition(3, AT, "a")
    assert not counts_twice(position, position)
