"""Check the names under which the service may be called, and find those that need no setting."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_HOST: Final = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*)(?::([0-9]{1,5}))?")
_LOOPBACK: Final = ("localhost", "127.*.*.*", "[::1]")
_EVERY: Final = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 compared only
_MAX_PORT: Final = 65_535


def check_hosts(text: str) -> str:
    """Return the hosts in lower case; raise ValueError unless all can be ones."""
    hosts = [part.strip().lower() for part in text.split(",") if part.strip()]
    if not all(map(_is_host, hosts)):
        raise ValueError(
            "must be hosts such as plan.factory.example or 10.0.0.*:3001 with commas between them,"
            " without http://, where * is anything in one part"
        )
    return ",".join(hosts)


def own_hosts(listen: str, node_url: str, allowed: str) -> tuple[str, ...]:
    """Return loopback, what the service listens on, where nodes reach it, and those `allowed`."""
    name = (urlsplit(node_url).hostname or "").lower()
    own = (f"[{each}]" if ":" in each else each for each in (listen.lower(), name))
    # "Every address" is nobody's, and a host of a NODE_URL may be anything.
    named = (each for each in own if _is_host(each) and "*" not in each and each not in _EVERY)
    return tuple(dict.fromkeys((*_LOOPBACK, *named, *filter(None, allowed.split(",")))))


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match[1] or 0) <= _MAX_PORT
