"""A large batch is decoded in pieces: to what it holds, in turns, and refused for the same."""

from __future__ import annotations

import asyncio
import json
from math import inf
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import slices
from web.wire import batches, json_body
from web.wire.batches import decode_batch
from web.wire.problems import RequestError

_AWKWARD: Final[list[Any]] = [
    None,
    7,
    "",
    '"',
    "\\",
    '\\"',
    "}, {",
    "]}",
    "贴\n",
    '"updates": [',
    [],
    [1, [2]],
    {},
]
_VALUE = st.sampled_from(_AWKWARD)
_ITEM = _VALUE | st.sampled_from([{f"{each}": {"a": each}, "b": [each]} for each in _AWKWARD])
_NAMES = st.sampled_from(["requestId", 'x"updates', "更新"])
_MANY = 100_000


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut what would be taken as it is for being small, and give each piece a turn."""
    monkeypatch.setattr(batches, "MAX_TOKENS", 0)
    monkeypatch.setattr(batches, "_PIECE", 20)
    monkeypatch.setattr(slices, "_SLICE_S", 0.0)


def _decode(body: bytes, most_tokens: int = _MANY) -> dict[str, Any]:
    return asyncio.run(decode_batch(body, most_tokens))


def _refusal(body: bytes, most_tokens: int = _MANY) -> tuple[str, Any]:
    with pytest.raises(RequestError) as caught:
        _decode(body, most_tokens)
    return caught.value.problem.text, (caught.value.problem.data or {}).get("field")


@given(
    before=st.dictionaries(_NAMES, _ITEM, max_size=2),
    items=st.lists(_ITEM, max_size=8),
    after=st.dictionaries(_NAMES, _VALUE, max_size=2),
    indent=st.none() | st.integers(0, 2),
)
def test_it_holds_what_was_sent(
    before: dict[str, Any], items: list[Any], after: dict[str, Any], indent: int | None
) -> None:
    value = {**before, "updates": items, **{k: v for k, v in after.items() if k not in before}}
    assert _decode(json.dumps(value, indent=indent).encode()) == value


@pytest.mark.parametrize("value", [{}, {"updates": 1}, {"a": {"updates": [[{}] * 30]}}])
def test_a_body_without_items_to_cut_is_read_all_the_same(value: object) -> None:
    assert _decode(orjson.dumps(value)) == value


_ITEMS = b",".join(b'{"type": "input", "quantity": %d}' % number for number in range(9))


@pytest.mark.parametrize(
    ("body", "text", "field"),
    [
        (b'{"updates": [%s,]}', "INVALID_JSON", None),
        (b'{"updates": [,%s]}', "INVALID_JSON", None),
        (b'{"updates": [%s] "wait": true}', "INVALID_JSON", None),
        (b'{"updates": [%s}', "INVALID_JSON", None),
        (b'{"updates": [%s', "INVALID_JSON", None),
        (b'{"updates": [%s]', "INVALID_JSON", None),
        (b'{"updates": [%s, {"a": "', "INVALID_JSON", None),
        (b'{"updates": [%s {}]}', "INVALID_JSON", None),
        (b'{"updates": [%s, {]}', "INVALID_JSON", None),
        (b'{"updates": [%s]}}', "INVALID_JSON", None),
        (b'["updates": [%s]]', "INVALID_JSON", None),
        (b'["updates", [%s]]', "INVALID_JSON.object", None),
        (b'{"updates": [%s], "updates": []}', "INVALID_JSON.duplicate", "updates"),
        (b'{"updates": [%s], "up\\u0064ates": []}', "INVALID_JSON.duplicate", "updates"),
        (b'{"updates": [%s, {"type": 1, "type": 2}]}', "INVALID_JSON.duplicate", "type"),
    ],
)
def test_what_is_wrong_is_refused_as_in_a_small_one(
    body: bytes, text: str, field: str | None
) -> None:
    assert _refusal(body % _ITEMS) == (text, field)


def test_what_json_lacks_is_read_in_the_item_that_has_it() -> None:
    body = b'{"updates": [%s, {"quantity": -Infinity, "b": "\\ud83d"}, {}], "wait": true}' % _ITEMS
    assert _decode(body)["updates"][9:] == [{"quantity": -inf, "b": "\ud83d"}, {}]


def test_tokens_are_counted_in_all_and_of_an_item_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"updates": [%s]}' % _ITEMS
    assert _refusal(body, 46)[0] == "INVALID_JSON.tokens"
    assert len(_decode(body, 47)["updates"]) == 9
    one = orjson.dumps({"updates": [{}, {"a": [0] * json_body.MAX_TOKENS}, {}]})
    assert _refusal(one)[0] == "INVALID_JSON.tokens"
    monkeypatch.setattr(batches, "_GAP", 1_000)
    monkeypatch.setattr(batches, "decode", lambda *_: pytest.fail("decoded"))
    assert _decode(b'{"updates": [{"a": "%s"}]}' % (b"," * 1_001))["updates"]


async def test_others_go_on_while_a_large_one_is_decoded() -> None:
    turns_of_others = 0

    async def others() -> None:
        nonlocal turns_of_others
        while True:
            turns_of_others += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await decode_batch(b'{"updates": [%s]}' % _ITEMS, _MANY)
    beside.cancel()
    assert turns_of_others > 9
