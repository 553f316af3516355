"""Which addresses requests may be forwarded to: an allow list, so that no lease opens a proxy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEMES = frozenset({"http", "https"})


_ADDRESS = re.compile(r"https?://[0-9*]+(\.[0-9*]+){3}:[0-9*]+")


class Origins:
    """Patterns such as `http://10.0.0.*:3001`: scheme, host and port.

    `*` stands for any port, or for anything in one part of a host: it matches no dot, and in
    an IP address only digits. (Anyone may own the name 10.0.0.com.)
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        # Without any pattern nothing is allowed: "(?!)" never matches.
        self._pattern = re.compile("|".join(map(_expression, patterns)) or "(?!)")

    def base_url(self, text: str) -> URL | None:
        """Read a node's URL; None when it is not one, or leads to where it must not."""
        try:
            url = URL(text)
            origin = _origin(url)
        except ValueError:
            return None
        if origin is None or not self._pattern.fullmatch(origin):
            return None
        return url


def _expression(pattern: str) -> str:
    any_part = "[0-9]+" if _ADDRESS.fullmatch(pattern) else "[a-z0-9_-]+"
    scheme_and_host, _, port = pattern.lower().rpartition(":")
    host = re.escape(scheme_and_host).replace(r"\*", any_part)
    return f"{host}:{'[0-9]+' if port == '*' else re.escape(port)}"


def _origin(url: URL) -> str | None:
    """Return scheme, host and port; None for a URL that no node would write into the lease."""
    if url.scheme not in _SCHEMES or not url.raw_host:
        return None
    if url.raw_user is not None or url.raw_password is not None:
        return None
    if url.raw_query_string or url.raw_fragment:
        return None
    host = f"[{url.raw_host}]" if ":" in url.raw_host else url.raw_host
    return f"{url.scheme}://{host}:{url.port}".lower()
