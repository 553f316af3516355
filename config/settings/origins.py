"""Check the origins of other nodes, and find those that need no setting."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_HOST: Final = r"\[[0-9a-f:.]+\]|[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*"
_ORIGIN: Final = re.compile(rf"(https?)://({_HOST})(?::(\*|[0-9]{{1,5}}))?/?")
_PORTS: Final = {"http": "80", "https": "443"}
_MAX_PORT: Final = 65_535
_LOOPBACK: Final = ("127.*.*.*", "localhost", "[::1]")


def check_origins(text: str) -> str:
    """Return `text` with each origin in lower case and with its port; raise ValueError."""
    return ",".join(_origin(each.strip().lower()) for each in text.split(","))


def default_origins(node_url: str) -> str:
    """Return the origins that are allowed by default: loopback, and the host of `node_url`."""
    parts = urlsplit(node_url.lower())
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    # A NODE_URL may have anything for a host: what isn't plainly one allows nothing more.
    plain = re.fullmatch(_HOST, host) and "*" not in host
    known = host in _LOOPBACK or host.startswith("127.")
    hosts = (*_LOOPBACK, host) if plain and not known else _LOOPBACK
    return ",".join(f"{parts.scheme}://{each}:*" for each in hosts)


def _origin(text: str) -> str:
    match = _ORIGIN.fullmatch(text)
    if match is None or not _is_port(match[3]):
        raise ValueError(
            "must be origins such as http://10.0.0.*:3001 with commas between them, where * is"
            " any port, or anything in one part of a host's name"
        )
    scheme, host, port = match.groups()
    return f"{scheme}://{host}:{port or _PORTS[scheme]}"


def _is_port(text: str | None) -> bool:
    return text in (None, "*") or 0 < int(text) <= _MAX_PORT
