"""Render an event and its fields as one line: fast when plain, careful when not."""

from __future__ import annotations

import time
from datetime import datetime
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

import orjson
from structlog.dev import ConsoleRenderer as StructlogConsole
from structlog.dev import plain_traceback

from config.logs.careful import RESERVED, careful_fields
from config.redaction import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_MAX_LINE_BYTES: Final = 64 * 1024
_MAX_KNOWN: Final = 4096
_LEVELS: Final = {"exception": "error", "warn": "warning", "fatal": "critical", "msg": "info"}


class Renderer(Protocol):
    """A structlog processor that makes a line, newline included, of an event and its fields.

    It masks secrets, and raises nothing.
    """

    def __call__(self, _logger: object, level: str, fields: MutableMapping[str, Any]) -> bytes:
        """Return the line."""
        ...


class JsonRenderer:
    """One JSON object a line: timestamp, level, event, then the fields."""

    def __init__(self) -> None:
        self._clock = _Clock()
        # Both grow by what was found harmless, so that each is judged once.
        self._names: set[str] = set()
        self._types: set[type] = {str, int, float, bool, NoneType, datetime, UUID}

    def __call__(self, _logger: object, level: str, fields: MutableMapping[str, Any]) -> bytes:
        """Return the line."""
        now = self._clock()
        level = _LEVELS.get(level, level)
        try:
            if (self._names.issuperset(fields) or self._learn_names(fields)) and (
                self._types.issuperset(map(type, fields.values())) or self._learn_types(fields)
            ):
                record = {"timestamp": now, "level": level, "event": "", **fields}
                line = orjson.dumps(record, option=_OPTIONS)
                # One look at the whole line is cheaper than one at every field.
                if b"://" not in line and len(line) <= _MAX_LINE_BYTES:
                    return line
        except (TypeError, ValueError):
            pass  # a broken character, a number of more than 64 bits: made harmless below
        try:
            record = {"timestamp": now, "level": level, **careful_fields(fields)}
            return orjson.dumps(record, option=_OPTIONS)
        except Exception as error:  # noqa: BLE001 a log call must never hurt its caller
            return orjson.dumps(_last_resort(now, error), option=_OPTIONS)

    def _learn_names(self, fields: Mapping[str, Any]) -> bool:
        if any(name in RESERVED or is_secret_name(name) for name in fields):
            return False
        if len(self._names) < _MAX_KNOWN:
            self._names.update(fields)
        return True

    def _learn_types(self, fields: Mapping[str, Any]) -> bool:
        # Enums of words or numbers among them; orjson writes what they stand for.
        unknown = set(map(type, fields.values())) - self._types
        if not all(issubclass(kind, (str, int)) for kind in unknown):
            return False
        self._types |= unknown
        return True


class ConsoleRenderer:
    """A line for people, in colour if `colors`; tracebacks follow on lines of their own."""

    def __init__(self, *, colors: bool) -> None:
        self._clock = _Clock()
        self._render = StructlogConsole(colors=colors, exception_formatter=plain_traceback)

    def __call__(self, _logger: object, level: str, fields: MutableMapping[str, Any]) -> bytes:
        """Return the line."""
        now = self._clock()
        level = _LEVELS.get(level, level)
        try:
            record = {"timestamp": now, "level": level, **careful_fields(fields)}
            exception = record.get("exception")
            if isinstance(exception, dict):
                record["exception"] = str(exception["stack"]).rstrip()
            text = self._render(None, level, record)
        except Exception as error:  # noqa: BLE001 a log call must never hurt its caller
            text = str(_last_resort(now, error))
        return text.encode("utf-8", "backslashreplace") + b"\n"


class _Clock:
    """The time as ISO 8601 in UTC; the part down to the second is made once a second."""

    def __init__(self) -> None:
        self._second = (-1, "")

    def __call__(self) -> str:
        now = time.time()
        second, text = self._second
        if second != int(now):
            second = int(now)
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)
        return f"{text}.{int((now - second) * 1000):03d}Z"


def _last_resort(now: str, error: Exception) -> dict[str, str]:
    event = "log_line_not_rendered"
    return {"timestamp": now, "level": "error", "event": event, "error": type(error).__name__}
