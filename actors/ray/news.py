"""What a shard's process says of itself with each answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.wire.payload import read_answer, write_answer

if TYPE_CHECKING:
    from actors.node.status import NodeStatus
    from actors.orders.region import Statistics


@dataclass(frozen=True, slots=True)
class News:
    """How the process is, and what it counts."""

    status: NodeStatus
    statistics: Statistics
    unlogged: int = 0
    """Entries that are committed and not yet in the log."""

    def written(self) -> list[Any]:
        """Return it as it is sent."""
        return [write_answer(self.status), write_answer(self.statistics), self.unlogged]


def read_news(written: list[Any]) -> News:
    """Return what was written; raises `PayloadUnreadable`."""
    return News(read_answer(written[0]), read_answer(written[1]), *written[2:3])
