"""The nodes that ask this one how it is: each says who it is, in a header of that call."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from actors.node.status import NodeStatus

REPORT: Final = "X-Node-Report"
"""A JSON object of texts: node, url, role, reason. Signed; shown to operators, and no more."""
_MAX_BYTES: Final = 1_000
_MAX_TEXT: Final = 200
_MAX_NODES: Final = 64
_PRESENT_S: Final = 5.0
_NODE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another node, as it says it is."""

    node: str
    url: str
    role: str
    reason: str
    heard_at: float


class Neighbours:
    """Those that were heard of in the last seconds."""

    def __init__(self) -> None:
        self._known: dict[str, Neighbour] = {}

    def heard(self, report: str) -> None:
        """Note what a node says; what can't be read is left out."""
        try:
            said = orjson.loads(report) if len(report) <= _MAX_BYTES else None
        except ValueError:
            return
        match said:
            case {"node": str(node), "url": str(url), "role": str(role), "reason": str(reason)} if (
                _NODE_ID.fullmatch(node)
            ):
                if node in self._known or len(self.present()) < _MAX_NODES:
                    short = slice(_MAX_TEXT)
                    self._known[node] = Neighbour(
                        node, url[short], role[short], reason[short], time.monotonic()
                    )

    def present(self) -> list[Neighbour]:
        """Return them by name, and forget the others."""
        since = time.monotonic() - _PRESENT_S
        self._known = {name: each for name, each in self._known.items() if each.heard_at > since}
        return sorted(self._known.values(), key=lambda each: each.node)


NEIGHBOURS: Final = web.AppKey("neighbours", Neighbours)


def report_of(status: NodeStatus) -> str:
    """Write what a node says of itself; in ASCII, as a header must be."""
    said = {
        "node": status.node,
        "url": status.url[:_MAX_TEXT],
        "role": status.role.value,
        "reason": (status.reason or "")[:_MAX_TEXT],
    }
    return orjson.dumps(said).decode().encode("ascii", "replace").decode()
