"""JSON bodies: what is not JSON is refused, and the field at fault is named where there is one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import inf
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.wire.json_body import decode, decode_object, encode, encode_rows
from web.wire.problems import RequestError
from web.wire.structure import MAX_DEPTH


def _problem(body: bytes) -> tuple[str, Any]:
    with pytest.raises(RequestError) as caught:
        decode_object(body)
    return caught.value.problem.code, (caught.value.problem.data or {}).get("field")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text(), _JSON), indented=st.booleans())
def test_what_is_json_is_read_whatever_its_texts_and_blanks(
    value: dict[str, object], *, indented: bool
) -> None:
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indented else 0)
    assert decode(body) == value


def test_no_body_counts_as_an_empty_object() -> None:
    assert decode_object(b"") == {}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"workOrderId=1",
        b'{"a": undefined}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": "\\ud83"}',
        b'{"a": nan}',
        b'{"a": 01}',
        b'{"a": 1} {"a": 1}',
        b"\x00",
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a":' + b"[" * 990 + b'":"' + b"]" * 990 + b"}",
        b'{"a":' * 1010 + b"1" + b"}" * 1010,
    ],
    ids=lambda body: body[:20],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert _problem(body) == ("INVALID_JSON", None)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"', b"true"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert _problem(body) == ("INVALID_JSON", None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"quantity": 1, "quantity": 5}', "quantity"),
        (b'{"quantity" : 1 , "quantity" : 5}', "quantity"),
        (b'{"quantity": 1, "quant\\u0069ty": 5}', "quantity"),
        (b'{"logContext": {"reason": "a", "reason": "b"}}', "reason"),
        (b'{"reason": "\xff", "reason": "b"}', "reason"),
        (b'{"updates": [{"type": "input", "type": "output"}]}', "type"),
        (b'{"quantity": 1, "quantity": ' + b"1" * 5_000 + b"}", "quantity"),
    ],
)
def test_a_field_that_is_there_twice_is_refused_by_name(body: bytes, field: str) -> None:
    assert _problem(body) == ("INVALID_JSON", field)


def test_colons_in_texts_are_no_repeated_fields() -> None:
    assert decode(b'{"a": "x:y", "b": ["::", {"a": ":"}]}') == {"a": "x:y", "b": ["::", {"a": ":"}]}


def test_what_many_encoders_write_and_json_lacks_is_read() -> None:
    assert decode(b'{"a": "x\\ud83d", "b": "\\ud83d\\ude00"}') == {"a": "x\ud83d", "b": "😀"}
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert decode('{"a": "字"}'.encode("gbk")) == {"a": "\udcd7\udcd6"}
    numbers = decode(b"[-Infinity, 1e999, 12345678901234567890123, -9223372036854775808]")
    assert numbers == [-inf, inf, 1.2345678901234568e22, -9223372036854775808]


def test_a_repeated_field_with_half_a_character_in_its_name_is_named_all_the_same() -> None:
    assert _problem(b'{"\\ud83d": 1, "\\ud83d": 2}') == ("INVALID_JSON", "\ufffd")


def test_what_other_programs_stored_is_written_as_json() -> None:
    class Foreign:
        def __str__(self) -> str:
            return "64b700000000000000000001"

    value = MappingProxyType(
        {"at": datetime(2026, 11, 23, tzinfo=UTC), "id": Foreign(), "nested": ({1: float("nan")},)}
    )
    assert orjson.loads(encode(value)) == {
        "at": "2026-11-23T00:00:00.000Z",
        "id": "64b700000000000000000001",
        "nested": [{"1": None}],
    }


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b'"",', b'"\\\\",', b'{"a":0},'])
def test_more_tokens_than_any_call_has_are_refused_before_they_are_decoded(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"a":[' + piece * (2**20 // len(piece)) + b"0]}"
    monkeypatch.setattr(orjson, "loads", lambda _: pytest.fail("decoded"))
    assert _problem(body) == ("INVALID_JSON", None)


def test_what_is_too_deep_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    monkeypatch.setattr(orjson, "loads", lambda _: pytest.fail("decoded"))
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        body = opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1)
        assert _problem(body) == ("INVALID_JSON", None)


@pytest.mark.parametrize("end", [b'"b": 1, "b": 2}', b'"b": NaN}', b'"b"}'])
def test_what_is_wrong_with_a_large_body_is_not_looked_for_by_the_slow_reader(
    end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("read slowly"))
    assert _problem(b'{"a": "' + b"\\n" * 80_000 + b'", ' + end) == ("INVALID_JSON", None)


@pytest.mark.parametrize("piece", [",", "[", '{"', '\\"', "\\"])
def test_a_text_may_hold_any_number_of_what_counts_as_tokens_elsewhere(piece: str) -> None:
    value = {"remark": piece * 200_000}
    assert decode(orjson.dumps(value)) == value


@pytest.mark.parametrize("count", [0, 1, 120])
async def test_rows_are_written_as_they_are_in_one_piece(count: int) -> None:
    rows = [{"n": each, "at": datetime(2026, 1, 2, tzinfo=UTC)} for each in range(count)]
    assert encode({"rows": await encode_rows(rows)}) == encode({"rows": rows})
