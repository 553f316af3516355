"""Make any event safe to write: plain JSON types, bounded in size, and without secrets."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from enum import Enum
from itertools import islice
from typing import Any, Final, TypeAlias

from config.redaction import MASK, UNSET, is_secret_name, mask_text, mask_urls

# Names that a line gives a meaning of its own; a field called so is renamed.
RESERVED: Final = frozenset({"timestamp", "level", "exc_info", "exception"})

_MAX_DEPTH: Final = 6
_MAX_INTEGER: Final = 2**63
_MAX_TEXT: Final = 8 * 1024
_MAX_FIELDS: Final = 48 * 1024
_MAX_STACK: Final = 16 * 1024
# What is read of a long text: more than is written, so that what masking needs is in it.
_MAX_READ: Final = 64 * 1024
_COST: Final = 8
_CUT: Final = "…[cut]"

_Json: TypeAlias = Any


def careful_fields(fields: Mapping[str, object]) -> dict[str, _Json]:
    """Return `fields`: event first, and `exc_info` unfolded into `exception` at the end."""
    rest = _Rest(_MAX_FIELDS)
    record = {"event": rest.plain(fields.get("event", ""))}
    for name, value in fields.items():
        if name not in {"event", "exc_info"}:
            shown = f"field_{name}" if name in RESERVED else name
            record[shown] = rest.field(name, value)
    error = _error_of(fields.get("exc_info"))
    if error is not None:
        record["exception"] = _unfold(error)
    return record


class _Rest:
    """What is left of a line's room, and the values that still go into it."""

    def __init__(self, room: int) -> None:
        self._room = room

    def field(self, name: str, value: object, depth: int = 0) -> _Json:
        """Return a field's value, masked when its name tells a secret."""
        # That a secret is missing is worth knowing, and none.
        if is_secret_name(name) and not (value is None or value is False or value in ("", UNSET)):
            return MASK
        return self.plain(value, depth)

    def plain(self, value: object, depth: int = 0) -> _Json:
        """Return `value` in JSON's types."""
        self._room -= _COST
        if isinstance(value, Enum):
            value = value.value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if abs(value) < _MAX_INTEGER else self.text(hex(value))
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str):
            return self.text(mask_urls(_head(value)))
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return self._container(value, depth + 1)
        return self.text(_describe(value))

    def text(self, text: str) -> str:
        """Return `text` as far as there is room, which it takes."""
        text = _cut(text, max(0, min(_MAX_TEXT, self._room)))
        self._room -= len(text)
        return text

    def _container(self, value: Collection[object], depth: int) -> _Json:
        if depth > _MAX_DEPTH:
            return f"<{type(value).__name__}, nested too deep>"
        most = max(0, self._room // _COST)
        rest = {_CUT} if len(value) > most else ()
        if not isinstance(value, Mapping):
            return [self.plain(item, depth) for item in islice(value, most)] + list(rest)
        held = {}
        for key, item in islice(value.items(), most):
            name = _describe(key)
            held[self.text(name)] = self.field(name, item, depth)
        return held | dict.fromkeys(rest)


def _describe(value: object) -> str:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    kind = type(value)
    try:
        text = _head(str(value))
    except Exception:  # noqa: BLE001 whatever it is, it is no reason to lose the line
        return f"<{kind.__name__}, not printable>"
    return mask_text(f"{kind.__name__}: {text}" if isinstance(value, BaseException) else text)


def _error_of(exc_info: object) -> BaseException | None:
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None


def _unfold(error: BaseException) -> dict[str, str]:
    kind = type(error)
    name = kind.__qualname__
    stack = "".join(traceback.format_exception(error))
    if len(stack) > _MAX_STACK:
        # The end tells most: what was raised, and where. Cut at ends of lines, or half an
        # address could be left, whose password nobody would recognize.
        start = stack[: _MAX_STACK // 4].rpartition("\n")[0]
        end = stack[-_MAX_STACK * 3 // 4 :].partition("\n")[2]
        stack = f"{start}\n{_CUT}\n{end}"
    message = _describe(error).removeprefix(f"{kind.__name__}: ")
    return {
        "type": name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}",
        "message": _cut(message, _MAX_TEXT),
        "stack": _cut(mask_text(stack), _MAX_STACK),
    }


def _head(text: str) -> str:
    return text[:_MAX_READ]  # the same object when it is short


def _cut(text: str, limit: int) -> str:
    if len(text) > limit:
        text = text[:limit] + _CUT
    # Half a surrogate pair can't be written as UTF-8.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
