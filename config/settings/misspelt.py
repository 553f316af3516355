"""Find variables that were meant to be a setting, and are none by a slip of the pen."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ADDRESS: Final = r"_?(URI|URL|DSN|HOST|HOSTS|ADDR|ADDRESS|SERVER|CONNECTION(_STRING|_URI|_URL)?)"
_OTHER_NAMES: Final = (
    (re.compile(rf"MONGO(_?DB)?{_ADDRESS}"), "MONGODB_URI"),
    (re.compile(r"MONGO(_?DB)?_?(DB|DATABASE|DBNAME|DB_NAME|NAME)"), "MONGODB_DB"),
    (re.compile(rf"REDIS{_ADDRESS}"), "REDIS_URL"),
)
"""What other programs call what is one of these here."""
_WHERE: Final = frozenset({"MONGODB_URI", "MONGODB_DB", "REDIS_URL", "REDIS_HOST"})
"""Without these, data and ownership are in files of this machine."""
_FOREIGN: Final = ("OTEL_",)
"""Variables that others define, and read, beside ours."""
_ALIKE: Final = 0.85
_SHORTEST: Final = 6
"""Letters: of shorter names, many are alike."""


def misspelt(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return what variables of `environ` were probably meant to be, of the settings' `names`.

    A setting that `environ` has, if only as a blank, was not missed, and neither was one of Redis'
    addresses beside the other.
    """
    known = frozenset(names)
    missed = known - environ.keys()
    if not {"REDIS_URL", "REDIS_HOST"} <= missed:
        missed -= {"REDIS_URL", "REDIS_HOST"}
    strangers = sorted(
        name for name in environ if name not in known and not name.startswith(_FOREIGN)
    )
    found = ((name, _meant(name.upper(), missed)) for name in strangers)
    return {name: setting for name, setting in found if setting is not None}


def mislaid(meant: Mapping[str, str]) -> tuple[str, ...]:
    """Return a line for each of those variables without which data would be kept elsewhere."""
    return tuple(
        f"{name}: is no setting, {setting} is: rename it, or set {setting}= (blank) to do without"
        for name, setting in meant.items()
        if setting in _WHERE
    )


def _meant(name: str, missed: frozenset[str]) -> str | None:
    if name in missed:
        return name
    for pattern, setting in _OTHER_NAMES:
        if pattern.fullmatch(name) and setting in missed:
            return setting
    if len(name) < _SHORTEST:
        return None
    alike = get_close_matches(name, [each for each in missed if len(each) >= _SHORTEST], 1, _ALIKE)
    return alike[0] if alike else None
