"""The header `Prefer` (RFC 7240): what a caller would like, and gets where it makes sense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_DIGITS: Final = 9


class Preferences(NamedTuple):
    """What the caller of an update would like."""

    wait: bool = True
    """Whether its change is to be applied before it is answered."""
    longest_wait_s: float = math.inf
    """The seconds after which it would have an answer; infinite where not said."""


_NONE: Final = Preferences()


def preferences_of(lines: Sequence[str]) -> Preferences:
    """Read the lines of the header."""
    if not lines:
        return _NONE
    said = _preferences(lines)
    text = said.get("wait", "").strip('"')
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return Preferences("respond-async" not in said, int(text) if is_number else math.inf)


def _preferences(lines: Sequence[str]) -> dict[str, str]:
    """Return names, in lower case, and values; of a name that is repeated the first counts."""
    found: dict[str, str] = {}
    for line in lines:
        for preference in line.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip())
    return found
