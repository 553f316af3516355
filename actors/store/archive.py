"""The archive of the log: where entries of orders that ended long ago are kept, and read, apart.

An entry is in the log or in the archive; all of the store's readers see both as one. What was
read of an order says whether decisions on it have to ask the archive too (`StoredOrder.archived`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from actors.domain.model import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from actors.domain.model import WorkOrderId

ENDED: Final = frozenset({Status.COMPLETED.value, Status.CANCELLED.value})
"""What an order has to be for its entries to be moved."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How much was moved, or would be."""

    orders: int = 0
    entries: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.orders + other.orders, self.entries + other.entries)


class Archive(Protocol):
    """What moves entries between log and archive, a batch at a time.

    It may be cut off, killed or put to sleep anywhere, and run in several processes at once:
    nothing is lost or counted twice, and whoever comes next finishes the batch. All coroutines
    may raise `StoreUnavailable` and `OutcomeUnknown`.
    """

    async def old(self, before: datetime) -> Moved:
        """Count what `move` would move, with this `before`, until it finds nothing."""
        ...

    async def move(self, before: datetime) -> Moved | None:
        """Move the entries of some orders that ended; None when there are none left.

        Of an order that is COMPLETED or CANCELLED, whose outbox is empty, and whose newest entry
        was made, and brought back, before `before` (aware).
        """
        ...

    async def kept(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved:
        """Count what is in the archive, of all orders or of some."""
        ...

    async def restore(self, order_ids: Sequence[WorkOrderId] | None = None) -> Moved | None:
        """Bring entries back to the log, of all orders or of some; None when none are left.

        They are not moved again until they have been there as long as new ones.

        Raises:
            StoreRejected: the log has other entries in their place.

        """
        ...
