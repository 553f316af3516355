"""One call between processes as bytes: `[version, part, …]`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import orjson

from actors.errors import PayloadUnreadable, WorkOrderError
from actors.wire.errors import read_error, write_error
from actors.wire.forms import NoForm
from actors.wire.records import read_record, write_record

VERSION: Final = 1
"""Goes up only when the other side could misread what is sent; added fields leave it as it is."""
_ANY_TEXT: Final = b" "
"""In front of what orjson refuses: halves of UTF-16 pairs, integers of more than 64 bits."""


def pack(*parts: Any) -> bytes:  # noqa: ANN401 -- whatever JSON holds
    """Return the parts as bytes, behind the version."""
    whole = (VERSION, *parts)
    try:
        return orjson.dumps(whole)
    except orjson.JSONEncodeError:
        return _ANY_TEXT + json.dumps(whole, default=_plain).encode()


def unpack(payload: bytes, least: int = 0) -> list[Any]:
    """Return the parts, at least so many.

    Raises:
        PayloadUnreadable: the payload is damaged, too short, or of another version.

    """
    try:
        whole = json.loads(payload) if payload[:1] == _ANY_TEXT else orjson.loads(payload)
        version: object = whole[0]
        parts: list[Any] = whole[1:]
    except (LookupError, TypeError, ValueError) as error:
        raise PayloadUnreadable(f"a payload can't be read: {error}") from error
    if version != VERSION:
        raise PayloadUnreadable(f"a payload of version {version}, where {VERSION} is spoken")
    if len(parts) < least:
        raise PayloadUnreadable(f"a payload of {len(parts)} parts, where {least} are needed")
    return parts


def write_answer(answer: Any) -> list[Any] | None:  # noqa: ANN401 -- a record, an error or None
    """Return an answer as an array: a record under its name, an error under `!`."""
    if isinstance(answer, WorkOrderError):
        return ["!", write_error(answer)]
    return write_record(answer)


def read_answer(written: list[Any] | None) -> Any:  # noqa: ANN401 -- as it was written
    """Return the record or the error; raises `PayloadUnreadable`."""
    try:
        if written is not None and written[0] == "!":
            return read_error(written[1])
        return read_record(written)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise PayloadUnreadable(f"an answer can't be read: {error}") from error


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise NoForm(f"no form for {value!r}")
