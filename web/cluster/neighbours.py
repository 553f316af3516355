"""The nodes that ask this one how it is: each says who and how it is, in a header of that call.

Front doors before actors in processes of their own do not ask each other: their roster knows them.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from actors.node.status import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.engine import Roster
    from actors.node.status import NodeStatus

REPORT: Final = "X-Node-Report"
"""A JSON object: node, url, role and reason as texts; version, upS, lagMs, store and lease where
the node tells them. Signed; shown to operators, and no more."""
_MAX_BYTES: Final = 1_000
_MAX_TEXT: Final = 200
_MAX_NODES: Final = 64
PRESENT_S: Final = 5.0
_NODE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another node, as it says it is; None where it does not say, as earlier releases."""

    node: str
    url: str
    role: str
    reason: str
    heard_at: float
    """Monotonic seconds."""
    version: str | None = None
    up_s: float | None = None
    lag_ms: float | None = None
    store_ok: bool | None = None
    lease_ok: bool | None = None


class Neighbours:
    """Those that were heard of in the last seconds."""

    def __init__(self, roster: Roster | None = None) -> None:
        self._roster = roster
        self._known: dict[str, Neighbour] = {}

    def heard(self, report: str) -> None:
        """Note what a node says; what can't be read is left out."""
        try:
            said = orjson.loads(report) if len(report) <= _MAX_BYTES else {}
        except ValueError:
            return
        match said:
            case {"node": str(node), "url": str(url), "role": str(role), "reason": str(reason)} if (
                _NODE_ID.fullmatch(node)
            ):
                if node in self._known or len(self.present()) < _MAX_NODES:
                    short = slice(_MAX_TEXT)
                    who = (node, url[short], role[short], reason[short], time.monotonic())
                    self._known[node] = Neighbour(*who, *_figures(said))

    def present(self) -> list[Neighbour]:
        """Return them by name, and forget the others."""
        since = time.monotonic() - PRESENT_S
        self._known = {name: each for name, each in self._known.items() if each.heard_at > since}
        others = () if self._roster is None else self._roster.others()
        doors = [
            Neighbour(each.node, each.url, Role.OWNER, "", time.monotonic()) for each in others
        ]
        return sorted([*self._known.values(), *doors], key=lambda each: each.node)


NEIGHBOURS: Final = web.AppKey("neighbours", Neighbours)


def report_of(status: NodeStatus, figures: Mapping[str, object]) -> str:
    """Write what a node says of itself; in ASCII, as a header must be."""
    said = {
        "node": status.node,
        "url": status.url[:_MAX_TEXT],
        "role": status.role.value,
        "reason": (status.reason or "")[:_MAX_TEXT],
        "store": status.store.ok,
        "lease": status.lease.ok,
        **figures,
    }
    return orjson.dumps(said).decode().encode("ascii", "replace").decode()


def _figures(said: Mapping[str, Any]) -> tuple[Any, ...]:
    version = said.get("version")
    reach = (said.get(name) for name in ("store", "lease"))
    return (
        version[:_MAX_TEXT] if isinstance(version, str) else None,
        *(_number(said.get(name)) for name in ("upS", "lagMs")),
        *(each if isinstance(each, bool) else None for each in reach),
    )


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value < inf else None  # type: ignore[operator,return-value]
