"""JSON in and out: strict about what JSON is, precise about what is wrong with a body."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import orjson

from actors.domain.model import MAX_QUANTITY
from actors.runtime.slices import in_slices
from web.wire.dates import to_text
from web.wire.problems import Problem, RequestError, invalid

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
_NOT_JSON: Final = Problem("INVALID_JSON", "INVALID_JSON")
MAX_TOKENS: Final = 100_000
"""Commas, colons and opening brackets of a body: what reading it costs grows with them."""
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

    Raises `RequestError` when it is not JSON, has a number that JSON lacks (NaN, Infinity), has
    more than `most_tokens` (before it is decoded), or names a field twice, where two readers could
    disagree about what was asked for.
    """
    if _has_too_many_tokens(body, most_tokens):
        raise RequestError(Problem("INVALID_JSON", "INVALID_JSON.tokens", {"limit": most_tokens}))
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _explain(body) from None
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
                    raise invalid("INVALID_JSON", name[:_SHOWN], "duplicate")
                seen.add(name)
        return fields

    json.loads(body, object_pairs_hook=unique)


_SHOWN: Final = 100


def _explain(body: bytes) -> RequestError:
    """Find the number that JSON lacks, which many encoders write; else it is just not JSON."""
    try:
        field = _find_non_finite(json.loads(body), "")
    except (ValueError, RecursionError):
        return RequestError(_NOT_JSON)
    if field is None:
        return RequestError(_NOT_JSON)
    if ".logContext." in f".{field}":
        return invalid("INVALID_LOG_CONTEXT", field, "text")
    match field.rpartition(".")[2]:
        case "quantity":
            return invalid("INVALID_QUANTITY", field, limit=MAX_QUANTITY)
        case "grace":
            return invalid("INVALID_GRACE", field)
        case _:
            return invalid("INVALID_JSON", field[:_SHOWN], "number")


def _find_non_finite(value: object, field: str) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else field
    if isinstance(value, dict):
        inside = ((f"{field}.{key}" if field else key, each) for key, each in value.items())
    elif isinstance(value, list):
        inside = ((f"{field}[{index}]", each) for index, each in enumerate(value))
    else:
        return None
    found = (_find_non_finite(each, name) for name, each in inside)
    return next((name for name in found if name is not None), None)
