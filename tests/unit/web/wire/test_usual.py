"""The usual form of an update says the same, whichever reader reads it."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.model import JobId, Trace
from web.wire import schemas
from web.wire.problems import RequestError
from web.wire.schemas import read_update
from web.wire.usual import read_usual, take_usual

ORDER = "0" * 23 + "a"
SAID = {
    "relatedBarcode": "SN 1: 张",
    "barcodeOperation": "SCAN_PROCESS",
    "processStepId": ORDER,
    "processName": "组装",
    "operatorName": "",
    "isAutomatic": True,
    "source": "DEVICE",
}
FULL = {
    "workOrderId": ORDER,
    "type": "input",
    "quantity": 2,
    "requestId": "k-1",
    "wait": True,
    "logContext": SAID,
}
WORDS = ["", "x", "a:b", "张", "SCAN_PROCESS", "OTHER", "DEVICE", ORDER, ORDER.upper(), "x" * 2001]
VALUES: st.SearchStrategy[object] = st.sampled_from(
    [*WORDS, None, True, False, 0, 1, -3, 1.0, 0.5, 2**53, [], {"_id": ORDER}]
)
CONTEXTS = st.dictionaries(st.sampled_from([*SAID, "remark", "other"]), VALUES)
FIELDS = {
    "workOrderId": st.sampled_from([ORDER, ORDER.upper(), "x", 7]),
    "type": st.sampled_from(["input", "output", "none", None]),
}
OPTIONAL = {
    "quantity": VALUES,
    "requestId": VALUES,
    "wait": VALUES,
    "logContext": CONTEXTS | VALUES,
    "other": VALUES,
}


def _read(body: bytes) -> object:
    try:
        message, sent = read_update(body, None, 1.0, Trace())
    except RequestError as error:
        return error.problem
    change = replace(message.change, job_id=JobId(""))
    return replace(message, change=change), sent


@given(st.fixed_dictionaries(FIELDS, optional=OPTIONAL) | st.just(FULL))
def test_both_readers_say_the_same(body: dict[str, object]) -> None:
    encoded = orjson.dumps(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schemas, "read_usual", lambda _: None)
        expected = _read(encoded)
    assert _read(encoded) == expected


def test_what_terminals_send_is_usual() -> None:
    found = read_usual(orjson.dumps(FULL))
    assert found is not None
    assert found == take_usual(FULL)
    assert "operator_name" not in found.said


@pytest.mark.parametrize(
    "body",
    [
        b'{"workOrderId":"%s","type":"input","type":"input"}',
        b'{"workOrderId":"%s","type":"input","logContext":{"remark":"a","remark":"b"}}',
        b'{"workOrderId":"%s","type":"input","quantity":NaN}',
        b'{"workOrderId":"%s","type":"input","quantity":1e400}',
        b'{"workOrderId":"%s","type":"input","logContext":{"remark":"\\ud800"}}',
        b'{"workOrderId":"%s","type":"input","logContext":{"remark":"\xff"}}',
        b'{"workOrderId":"%s","type":"input"} x',
        b'{"workOrderId":"%s\\n","type":"input"}',
        b'[{"workOrderId":"%s","type":"input"}]',
        b'{"workOrderId":"%s","type":"input","logContext":{"remark":"' + b"x" * 10_000 + b'"}}',
    ],
)
def test_what_is_odd_is_not_usual(body: bytes) -> None:
    assert read_usual(body % ORDER.encode() if b"%s" in body else body) is None
