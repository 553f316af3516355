"""Stored orders that are not as this service left them, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

if TYPE_CHECKING:
    from actors.domain.commit import StoredOrder

_log = structlog.get_logger(__name__)

_QUANTITIES: Final = {"inputQuantity": "input_quantity", "outputQuantity": "output_quantity"}


class Oddity(NamedTuple):
    """A field of an order: what this service knew, and what is stored now."""

    work_order_id: str
    field: str
    before: str
    now: str


def undone(known: StoredOrder, now: StoredOrder) -> list[Oddity]:
    """Return which counts somebody else has undone since `known`: changes of plan are none."""
    found = []
    for name, attribute in _QUANTITIES.items():
        before, after = getattr(known.state, attribute), getattr(now.state, attribute)
        if after < before and now.seq == known.seq and name not in now.unreadable:
            found.append(Oddity(now.id, name, str(before), str(after)))
    if known.adopted and not now.adopted:
        found.append(_lost_state(now, known.seq))
    return found


def _lost_state(order: StoredOrder, seq: int) -> Oddity:
    return Oddity(order.id, "planServer", f"seq {seq}", str(order.guard.get("planServer")))


@dataclass(slots=True)
class Oddities:
    """How many there were since the node started, and the latest of each kind."""

    undone: int = 0
    unreadable: int = 0
    last_undone: Oddity | None = None
    last_unreadable: Oddity | None = None

    def compare(self, known: StoredOrder | None, now: StoredOrder) -> None:
        """Note what somebody else has undone; without `known` this is the first look."""
        if known is not None:
            found = undone(known, now)
        else:
            found = [_lost_state(now, now.seq)] if now.seq and not now.adopted else []
        for each in found:
            self.undone += 1
            self.last_undone = each
            _log.warning("counts_undone", **each._asdict())

    def note_unreadable(self, order_id: str, name: str, value: str) -> None:
        """Note an update that was refused, as its order can't be read, or not be matched."""
        self.unreadable += 1
        self.last_unreadable = Oddity(order_id, name, "", value)
