"""JSON in and out, precise about what is wrong with a body.

What many encoders write and JSON lacks (NaN, half a surrogate pair) is read: it concerns the item
that it stands in, and is refused only there where it can't be counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import orjson

from actors.runtime.slices import in_slices
from web.wire.dates import to_text
from web.wire.problems import Problem, RequestError, invalid

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
_NOT_JSON: Final = Problem("INVALID_JSON", "INVALID_JSON")
MAX_TOKENS: Final = 100_000
"""Commas, colons and opening brackets of a body: what reading it costs grows with them."""
_LONGEST: Final = 20
"""Characters of a whole number of 64 bits."""
_HALF: Final = re.compile("[\ud800-\udfff]")
_TEXT: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def encode(value: object) -> bytes:
    """Write `value` as JSON: datetimes as JavaScript does, what JSON has no type for as text."""
    return orjson.dumps(value, _default, _OPTIONS)


async def encode_rows(rows: Sequence[object]) -> orjson.Fragment:
    """Write `rows` as a JSON list, for a place in what `encode` writes; others run between."""
    return orjson.Fragment(b"[" + b",".join(await in_slices(encode, rows)) + b"]")


def _default(value: object) -> object:
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def decode(body: bytes, most_tokens: int = MAX_TOKENS) -> object:
    """Read a body of JSON in UTF-8.

    Raises `RequestError` when it is not JSON, has more than `most_tokens` (before it is decoded),
    or names a field twice, where two readers could disagree about what was asked for.
    """
    if _has_too_many_tokens(body, most_tokens):
        raise RequestError(Problem("INVALID_JSON", "INVALID_JSON.tokens", {"limit": most_tokens}))
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _decode_leniently(body)
    try:
        # Each field has one colon, so only a body with more of them can name a field twice.
        if body.count(b":") != _count_fields(value):
            _refuse_duplicates(body)
    except RecursionError:
        raise RequestError(_NOT_JSON) from None
    return value


def _has_too_many_tokens(body: bytes, most: int) -> bool:
    if _count_tokens(body) <= most:
        return False
    # Texts may hold as many as they like; a lower bound of the texts first, as each costs a match.
    if body.count(b'"') - body.count(b'\\"') > 2 * most:
        return True
    return _count_tokens(_TEXT.sub(b"", body)) > most


def _count_tokens(body: bytes) -> int:
    return sum(map(body.count, (b",", b":", b"[", b"{")))


def decode_object(body: bytes, most_tokens: int = MAX_TOKENS) -> dict[str, object]:
    """Read a body that must hold a JSON object; an empty one counts as ``{}``."""
    value = decode(body, most_tokens) if body else {}
    if not isinstance(value, dict):
        raise RequestError(Problem("INVALID_JSON", "INVALID_JSON.object"))
    return value


def _count_fields(value: object) -> int:
    if isinstance(value, dict):
        count = len(value)
        for each in value.values():
            if isinstance(each, dict | list):
                count += _count_fields(each)
        return count
    if isinstance(value, list):
        return sum(_count_fields(each) for each in value)
    return 0


def _refuse_duplicates(body: bytes) -> None:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    raise invalid("INVALID_JSON", mended(name[:_SHOWN]), "duplicate")
                seen.add(name)
        return fields

    json.loads(body, object_pairs_hook=unique)


_SHOWN: Final = 100


def _decode_leniently(body: bytes) -> object:
    """Read what is JSON but for NaN, infinite numbers and halves of surrogate pairs."""
    try:
        value: object = json.loads(body.decode(), parse_int=_whole)
    except (ValueError, RecursionError):
        raise RequestError(_NOT_JSON) from None
    return value


def _whole(digits: str) -> int | float:
    """Read a whole number as the other decoder does: beyond 64 bits it is a float."""
    if len(digits) <= _LONGEST and -(2**63) <= (number := int(digits)) < 2**64:
        return number
    return float(digits)


def mended(text: str) -> str:
    """Return a text that UTF-8 can hold: half a surrogate pair, as half an emoji is, is U+FFFD."""
    return text if text.isascii() else _HALF.sub("\ufffd", text)
