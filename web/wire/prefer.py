"""The header `Prefer` (RFC 7240): what a caller would like, and gets where it makes sense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_DIGITS: Final = 9


def prefers_async(lines: Iterable[str]) -> bool:
    """Return whether the caller does not want to wait until a change is applied."""
    return "respond-async" in _preferences(lines)


def longest_wait_s(lines: Iterable[str]) -> float:
    """Return the seconds after which the caller would have an answer; infinite where not said."""
    text = _preferences(lines).get("wait", "").strip('"')
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        return int(text)
    return math.inf


def _preferences(lines: Iterable[str]) -> dict[str, str]:
    """Return names, in lower case, and values; of a name that is repeated the first counts."""
    found: dict[str, str] = {}
    for line in lines:
        for preference in line.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip())
    return found
