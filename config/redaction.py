"""Keep credentials out of everything people and log collectors read."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
UNSET: Final = "unset"
"""Shown in place of a secret that there is none of."""

_RUN = re.compile(r"\S+")
_SENSITIVE = (
    r"(?:passw|pwd|secret|token|authorization|credential|cookie|api_?key|private_?key"
    r"|authmechanismproperties)"
)
_SECRET_NAME = re.compile(_SENSITIVE)
# Repeats are bounded, so that hostile text can't make the search slow.
_SECRET_PAIR = re.compile(
    rf"(?P<name>{_SENSITIVE}[\w.-]{{0,40}}[\"']?\s{{0,4}}[=:]\s{{0,4}}"
    r"(?:(?:bearer|basic)\s{1,4})?[\"']?)"
    r"(?P<value>[^\s\"'&,;)}\]]+)",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Return whether a field or setting called `name` holds something to hide."""
    return _SECRET_NAME.search(name.lower().replace("-", "_")) is not None


def mask_urls(text: str) -> str:
    """Mask the user information of every `scheme://user:password@host` in `text`.

    All up to the last `@` of an unbroken run of characters goes: a password that should have
    been percent-encoded may itself hold `/`, `?` or `@`.
    """
    if "://" not in text or "@" not in text:
        return text
    return _RUN.sub(_mask_run, text)


def mask_text(text: str) -> str:
    """Mask URL credentials and `password=…`-like pairs in free text, such as a traceback."""
    return _SECRET_PAIR.sub(rf"\g<name>{MASK}", mask_urls(text))


def _mask_run(match: re.Match[str]) -> str:
    scheme, separator, rest = match[0].partition("://")
    host = rest.rpartition("@")[2]
    return match[0] if host == rest else f"{scheme}{separator}{MASK}@{host}"
