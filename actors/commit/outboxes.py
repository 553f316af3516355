"""Which orders carry an outbox in the store that their owner should empty, oldest first."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.domain.commit import StoredOrder
    from actors.domain.model import WorkOrderId


@dataclass(slots=True)
class Outboxes:
    """Orders as last committed or read with an outbox, and when that was (monotonic seconds)."""

    _orders: OrderedDict[WorkOrderId, tuple[StoredOrder, float]] = field(
        default_factory=OrderedDict
    )

    def __len__(self) -> int:
        return len(self._orders)

    def note(self, order: StoredOrder) -> None:
        """Note that the order, as it is stored now, carries an outbox."""
        self._orders[order.id] = (order, time.monotonic())
        self._orders.move_to_end(order.id)

    def find(self, order_id: WorkOrderId) -> StoredOrder | None:
        """Return the order as it carries its outbox, None when it has none to empty."""
        found = self._orders.get(order_id)
        return found[0] if found else None

    def emptied(self, order: StoredOrder) -> None:
        """Forget the order, unless it was committed again after it was given out."""
        if self.find(order.id) is order:
            del self._orders[order.id]

    def resting(self, rest_s: float, limit: int) -> list[StoredOrder]:
        """Return at most `limit` orders that nobody changed for `rest_s` seconds, oldest first."""
        before = time.monotonic() - rest_s
        found: list[StoredOrder] = []
        for order, noted in self._orders.values():
            if noted > before or len(found) == limit:
                break
            found.append(order)
        return found
