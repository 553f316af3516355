"""The names under which this service is called; a page under another one is not ours.

DNS rebinding: a site lets its own name lead to our address, and its page is then, to a browser,
a page of ours. What it can't change is the name, which the browser sends as `Host`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LOOPBACK: Final = ("localhost", "127.*.*.*", "[::1]")
_NAME: Final = r"(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?"
_HOST: Final = re.compile(_NAME)
_ORIGIN: Final = re.compile(rf"[a-z][a-z0-9+.-]*://({_NAME})?|null")
_ADDRESS: Final = re.compile(r"[0-9*]+(\.[0-9*]+){3}(:[0-9]+)?")


class Hosts:
    """Names and addresses with or without a port, `*` being anything in one part of a host.

    Without a port any will do. In an IP address `*` is digits: anyone may own 10.0.0.com.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._pattern = re.compile("|".join(map(_expression, patterns)) or "(?!)")
        self.allow: Callable[[str], bool] = lru_cache(maxsize=64)(self._allow)
        """Return whether a host, of a header of that name, is one of them; most are the same."""

    def _allow(self, host: str) -> bool:
        host = host.lower()
        return bool(_HOST.fullmatch(host) and self._pattern.fullmatch(host))


def host_of(origin: str) -> str | None:
    """Return the host and port of an `Origin` header, "" if it has none; None if it is not one."""
    match = _ORIGIN.fullmatch(origin.lower())
    return None if match is None else match[1] or ""


def _expression(pattern: str) -> str:
    part = "[0-9]+" if _ADDRESS.fullmatch(pattern) else "[a-z0-9_-]+"
    host = re.escape(pattern.lower()).replace(r"\*", part)
    ported = re.search(r":[0-9]+$", pattern)
    return host if ported else f"{host}(?::[0-9]+)?"
