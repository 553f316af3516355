"""A log context is taken as it comes: cut, mended or left out, and the update counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import pytest

from actors.domain.evidence import size_of_change
from actors.domain.job import Job, Position
from actors.domain.model import LogContext, LogEntry, OrderFacts, Trace, WorkOrderId
from actors.domain.rules import is_first_step_scan
from actors.store.documents import entry_document, outcome_from
from actors.store.job_documents import job_document, job_from
from web.wire.log_context import MAX_ORIGINAL, MAX_TEXT
from web.wire.schemas import parse_update

if TYPE_CHECKING:
    from actors.domain.model import Change

_AT = datetime(2026, 11, 23, tzinfo=UTC)
_ORDER = WorkOrderId("00000000000000000000000a")

_TEXTS = (
    *("relatedBarcode", "processName", "processCode", "operatorId", "operatorName"),
    *("reason", "remark", "ipAddress", "userAgent"),
)
_STEP = "5f0c00000000000000000001"


def _change(**body: object) -> Change:
    order = {"workOrderId": "00000000000000000000000A", "type": "input"}
    return parse_update({**order, **body}, None, 99.5, Trace()).change


def _said(**context: object) -> LogContext:
    return _change(logContext=context).context


def _entry_of(change: Change) -> LogEntry:
    return LogEntry(_ORDER, 1, 1, change, OrderFacts(), 1, 0, 1, None, None, 0, 0, _AT)


def _job_of(change: Change) -> Job:
    return Job(_ORDER, change, Position(1, 1), _AT)


def _fingerprint(**context: object) -> str:
    return _change(requestId="k", logContext=context).fingerprint


def test_the_whole_log_context_arrives() -> None:
    context = _change(
        logContext={
            "relatedBarcode": "SN1",
            "barcodeOperation": "SCAN_PROCESS",
            "processStepId": "5F0C00000000000000000001",
            "processName": "组装",
            "processCode": "ASM-1",
            "operatorId": "64b7",
            "operatorName": "张伟",
            "reason": "首道工序",
            "remark": "r",
            "ipAddress": "10.0.0.1",
            "userAgent": "ua",
            "isAutomatic": False,
            "source": "DEVICE",
            "somethingNew": {"a": [1]},
        }
    ).context
    assert context == LogContext(
        related_barcode="SN1",
        barcode_operation="SCAN_PROCESS",
        process_step_id="5f0c00000000000000000001",
        process_name="组装",
        process_code="ASM-1",
        operator_id="64b7",
        operator_name="张伟",
        reason="首道工序",
        remark="r",
        ip_address="10.0.0.1",
        user_agent="ua",
        is_automatic=False,
        source="DEVICE",
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_text_in_the_log_context_count_as_not_said(nothing: object) -> None:
    names = (
        "relatedBarcode barcodeOperation processStepId processName processCode operatorId"
        " operatorName reason remark ipAddress userAgent isAutomatic source"
    )
    context = _said(**dict.fromkeys(names.split(), nothing))
    assert context == LogContext()


def test_a_log_context_of_null_counts_as_not_said() -> None:
    assert _change(logContext=None).context == LogContext()


@pytest.mark.parametrize(
    ("sent", "stored"),
    [(5, "5"), (5.0, "5"), (5.5, "5.5"), (True, "true"), (False, "false"), (0, "0")],
)
def test_numbers_and_booleans_become_text_where_text_belongs(sent: object, stored: str) -> None:
    context = _said(operatorId=sent, relatedBarcode=sent)
    assert (context.operator_id, context.related_barcode) == (stored, stored)


@pytest.mark.parametrize(
    ("sent", "meant"), [("true", True), ("false", False), (1, True), (0, False), ("no", False)]
)
def test_is_automatic_may_be_text(sent: object, *, meant: bool) -> None:
    assert _said(isAutomatic=sent).is_automatic is meant


@pytest.mark.parametrize("name", _TEXTS[1:])
def test_a_long_text_is_cut_and_marked(name: str) -> None:
    longest = "字" * MAX_TEXT
    cut = _said(**{name: longest + "字"})
    assert cut == _said(**{name: longest[1:] + "…"})
    assert cut != _said(**{name: longest})
    assert not cut.originals


def test_barcodes_that_are_cut_stay_apart() -> None:
    long = "x" * MAX_TEXT
    one, other = (_said(relatedBarcode=long + end).related_barcode for end in "ab")
    assert one is not None
    assert other is not None
    assert one != other
    assert _said(relatedBarcode=long + "a").related_barcode == one
    assert (len(one), one[0], one[-1]) == (MAX_TEXT, "x", "…")


def test_barcodes_of_another_encoding_stay_apart() -> None:
    texts = ["SN-\udcd7\udcd6", "SN-\udcd7\udcd7", "SN-\udcd7\udcd6"]
    one, other, again = (_said(relatedBarcode=text).related_barcode or "" for text in texts)
    assert one.startswith("SN-\ufffd\ufffd")
    assert one == again != other


@pytest.mark.parametrize(
    ("text", "stored"),
    [("a\ud83d", "a\ufffd"), ("\ude00b\ud83d", "\ufffdb\ufffd"), ("😀", "😀")],
)
def test_half_an_emoji_is_replaced(text: str, stored: str) -> None:
    assert _said(**dict.fromkeys(_TEXTS, text)) == _said(**dict.fromkeys(_TEXTS, stored))


_NOT_TAKEN = [
    ("barcodeOperation", "SCAN", "SCAN"),
    ("barcodeOperation", "scan_process", "scan_process"),
    ("barcodeOperation", 1, "1"),
    ("source", "PHONE", "PHONE"),
    ("source", ["WEB"], '["WEB"]'),
    ("processStepId", "step-1", "step-1"),
    ("processStepId", 5, "5"),
    ("processStepId", "a" * 23, "a" * 23),
    ("processStepId", f"{_STEP}\n", f"{_STEP}\n"),
    ("processStepId", {"name": "ASM"}, '{"name": "ASM"}'),
    ("isAutomatic", "perhaps", "perhaps"),
    ("isAutomatic", 2, "2"),
    *((name, {"a": "字"}, '{"a": "字"}') for name in _TEXTS),
    ("relatedBarcode", ["SN1"], '["SN1"]'),
    ("remark", float("nan"), "NaN"),
    ("remark", float("-inf"), "-Infinity"),
    ("source", "\ud83d", "\ufffd"),
    ("source", "x" * 5000, "x" * (MAX_ORIGINAL - 1) + "…"),
]


@pytest.mark.parametrize(("name", "said", "kept"), _NOT_TAKEN)
def test_what_is_of_another_kind_counts_as_not_said_and_is_kept(
    name: str, said: object, kept: str
) -> None:
    assert _said(**{name: said}) == LogContext(originals=((name, kept),))


@pytest.mark.parametrize("said", ["text", 1, True, [], [1], "\ud83d"])
def test_a_context_that_is_no_object_counts_as_not_said_and_is_kept(said: object) -> None:
    context = _change(logContext=said).context
    [(name, _)] = context.originals
    assert (name, context) == ("logContext", LogContext(originals=context.originals))


def test_a_step_that_was_populated_is_its_id() -> None:
    context = _said(processStepId={"_id": _STEP.upper(), "name": "ASM"})
    assert context.process_step_id == _STEP


def test_a_value_nested_as_deep_as_a_body_can_be_is_kept_in_short() -> None:
    nested: object = 1
    for _ in range(100_000):
        nested = [nested]
    assert _said(remark=nested) == LogContext(originals=(("remark", "…"),))


def test_a_scan_whose_barcode_step_or_operation_was_not_taken_counts_each_time() -> None:
    scan = {
        "relatedBarcode": "SN1",
        "processStepId": _STEP,
        "barcodeOperation": "SCAN_PROCESS",
    }
    assert is_first_step_scan(_change(logContext=scan))
    for name in scan:
        assert not is_first_step_scan(_change(logContext={**scan, name: ["x"]}))


def test_a_key_is_for_what_was_said_not_for_what_is_stored() -> None:
    long = "x" * MAX_TEXT
    said: list[dict[str, object]] = [
        {},
        {"barcodeOperation": "OTHER1"},
        {"barcodeOperation": "OTHER2"},
        {"source": "y" * 5000 + "1"},
        {"source": "y" * 5000 + "2"},
        {"remark": long + "a"},
        {"remark": long + "b"},
        {"remark": "\ud83d"},
        {"remark": "\ud83e"},
        {"remark": {"a": 1, "b": 2}},
    ]
    digests = [_fingerprint(**each) for each in said]
    assert len(set(digests)) == len(said)
    assert [_fingerprint(**each) for each in said] == digests
    assert _fingerprint(remark={"b": 2, "a": 1}) == digests[-1]


def test_what_was_not_taken_is_in_the_log_entry_and_waits_with_a_job() -> None:
    change = _change(logContext={"source": "PHONE", "processStepId": ["x"]})
    kept = {"processStepId": '["x"]', "source": "PHONE"}
    entry = entry_document(_entry_of(change))
    assert (entry["source"], entry["planServer"]["originals"]) == ("SYSTEM", kept)
    assert outcome_from(entry).change.context.originals == change.context.originals
    assert job_from(job_document(_job_of(change))).change.context == change.context
    assert "originals" not in entry_document(_entry_of(_change()))["planServer"]


def test_the_size_of_a_change_counts_what_was_not_taken() -> None:
    change = _change(logContext={name: {"字": "字" * 5000} for name in _TEXTS})
    assert size_of_change(change) > len(
        orjson.dumps(entry_document(_entry_of(change)), default=str)
    )
