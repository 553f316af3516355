"""JSON in and out, precise about what is wrong with a body.

What many encoders write and JSON lacks (NaN, half a surrogate pair, a byte of another encoding) is
read: it concerns the item that it stands in, and is refused only there where it can't be counted.
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
from web.wire.structure import MAX_DEPTH, count_fields

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
NOT_JSON: Final = Problem("INVALID_JSON", "INVALID_JSON")
MAX_TOKENS: Final = 10_000
"""Commas, colons and opening brackets that are decoded in one go: some milliseconds at worst."""
READ_SLOWLY: Final = 128 * 1024
"""Bytes of a body that a slower reader is given, which reads what the other refuses."""
_LONGEST: Final = 20
"""Characters of a whole number of 64 bits."""
_HALF: Final = re.compile("[\ud800-\udfff]")
NO_UTF8: Final = re.compile("[\udc80-\udcff]")
"""What bytes that are no UTF-8 are read as."""


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


def decode(body: bytes) -> object:
    """Read a body of JSON in UTF-8.

    Raises `RequestError` when it has more than `MAX_TOKENS` or is too deep (before it is decoded),
    is not JSON, or names a field twice, where two readers could disagree about what was asked for.
    """
    if len(body) > MAX_TOKENS or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        count_fields(body, MAX_TOKENS)
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _decode_leniently(body)
    # Each field has one colon, so only a body with more of them can name a field twice.
    fields = _count_fields(value)
    if body.count(b":") != fields and count_fields(body, MAX_TOKENS) != fields:
        _refuse_duplicates(body)
    return value


def decode_object(body: bytes) -> dict[str, object]:
    """Read a body that must hold a JSON object; an empty one counts as ``{}``."""
    value = decode(body) if body else {}
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
    if len(body) > READ_SLOWLY:
        raise RequestError(NOT_JSON)

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    raise invalid("INVALID_JSON", mended(name[:_SHOWN]), "duplicate")
                seen.add(name)
        return fields

    json.loads(_as_text(body), object_pairs_hook=unique, parse_int=_whole)


_SHOWN: Final = 100


def _decode_leniently(body: bytes) -> object:
    """Read what is JSON but for NaN, infinite numbers and text that is no Unicode."""
    if len(body) > READ_SLOWLY:
        raise RequestError(NOT_JSON)
    try:
        value: object = json.loads(_as_text(body), parse_int=_whole)
    except ValueError:
        raise RequestError(NOT_JSON) from None
    return value


def _as_text(body: bytes) -> str:
    """Decode a body; each byte that is no UTF-8 becomes half a surrogate pair (`NO_UTF8`)."""
    return body.decode("utf-8-sig", "surrogateescape")


def _whole(digits: str) -> int | float:
    """Read a whole number as the other decoder does: beyond 64 bits it is a float."""
    if len(digits) <= _LONGEST and -(2**63) <= (number := int(digits)) < 2**64:
        return number
    return float(digits)


def mended(text: str) -> str:
    """Return a text that UTF-8 can hold: half a surrogate pair, as half an emoji is, is U+FFFD."""
    return text if text.isascii() else _HALF.sub("\ufffd", text)
