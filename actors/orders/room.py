"""How much of what waits for an order goes into one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.domain.evidence import size_of_change
from actors.domain.messages import UpdateQuantity

if TYPE_CHECKING:
    from actors.runtime.delivery import Delivery

MAX_TAKEN_BYTES = 2 * 2**20
"""Bytes that their log entries may have; a third of an outbox, `committer.MAX_OUTBOX_BYTES`."""


class Room:
    """Tells which waiting messages still find room in the change set that begins with `first`."""

    __slots__ = ("_left",)

    def __init__(self, first: Delivery) -> None:
        self._left = MAX_TAKEN_BYTES - size_of_change(first.message.change)

    def __call__(self, delivery: Delivery) -> bool:
        """Take what it needs, and tell whether that was there."""
        if not isinstance(delivery.message, UpdateQuantity) or delivery.attempts:
            return False
        self._left -= size_of_change(delivery.message.change)
        return self._left >= 0
