"""JSON in and out: strict about what JSON is, precise about what is wrong with a body."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

import orjson

from actors.domain.model import MAX_QUANTITY
from web.wire.dates import to_text
from web.wire.problems import Problem, RequestError, invalid
from web.wire.structure import MAX_DEPTH, count_fields

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
NOT_JSON: Final = Problem("INVALID_JSON", "INVALID_JSON")
MAX_TOKENS: Final = 10_000
"""Commas, colons and opening brackets that are decoded in one go: some milliseconds at worst."""
EXPLAINED: Final = 64 * 1024
"""Bytes of a body in which a fault is looked for by a slower reader."""


def encode(value: object) -> bytes:
    """Write `value` as JSON: datetimes as JavaScript does, what JSON has no type for as text."""
    return orjson.dumps(value, _default, _OPTIONS)


def _default(value: object) -> object:
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def decode(body: bytes, place: tuple[str, int] = ("", 0)) -> object:
    """Read a body of JSON in UTF-8; or items of a list, whose name and first number is `place`.

    Raises `RequestError` when it has more than `MAX_TOKENS` or is too deep (before it is decoded),
    is not JSON, has a number that JSON lacks (NaN, Infinity), or names a field twice, where two
    readers could disagree about what was asked for.
    """
    if len(body) > MAX_TOKENS or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        count_fields(body, MAX_TOKENS)
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _explain(body, place) from None
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
    if len(body) > EXPLAINED:
        raise RequestError(NOT_JSON)

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


def _explain(body: bytes, place: tuple[str, int]) -> RequestError:
    """Find the number that JSON lacks, which many encoders write; else it is just not JSON."""
    field = None
    if len(body) <= EXPLAINED:
        with suppress(ValueError):
            field = _find_non_finite(json.loads(body), *place)
    if field is None:
        return RequestError(NOT_JSON)
    if ".logContext." in f".{field}":
        return invalid("INVALID_LOG_CONTEXT", field, "text")
    match field.rpartition(".")[2]:
        case "quantity":
            return invalid("INVALID_QUANTITY", field, limit=MAX_QUANTITY)
        case "grace":
            return invalid("INVALID_GRACE", field)
        case _:
            return invalid("INVALID_JSON", field[:_SHOWN], "number")


def _find_non_finite(value: object, field: str, first: int = 0) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else field
    if isinstance(value, dict):
        inside = ((f"{field}.{key}" if field else key, each) for key, each in value.items())
    elif isinstance(value, list):
        inside = ((f"{field}[{index}]", each) for index, each in enumerate(value, first))
    else:
        return None
    found = (_find_non_finite(each, name) for name, each in inside)
    return next((name for name in found if name is not None), None)
