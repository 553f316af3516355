"""The live actors by order id, with the mailboxes that wait for a new one."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from actors.domain.messages import OrderLock
from actors.runtime.mailbox import Gate

if TYPE_CHECKING:
    from pykka import ActorRef

    OrderRef = ActorRef[Any]
    from collections.abc import Iterator

    from actors.domain.model import WorkOrderId
    from actors.runtime.mailbox import Mailbox


@dataclass(slots=True)
class Directory:
    """The live order actors, least recently used first: the registry of orders.

    The supervisor alone adds and removes; the region looks up and touches.
    """

    refs: OrderedDict[WorkOrderId, OrderRef] = field(default_factory=OrderedDict)
    made: dict[WorkOrderId, Mailbox] = field(default_factory=dict)
    """The same orders, in the order in which their mailboxes were made."""
    gate: Gate = field(default_factory=Gate)
    paused: set[WorkOrderId] = field(default_factory=set)
    """Orders that are paused one by one, whether or not they have an actor."""

    def __len__(self) -> int:
        return len(self.refs)

    def add(self, order_id: WorkOrderId, ref: OrderRef) -> None:
        """Enter a new actor, or the successor of one that died, which has its mailbox."""
        self.refs[order_id] = ref
        self.made.setdefault(order_id, mailbox_of(ref))

    def remove(self, order_id: WorkOrderId) -> None:
        """Forget an order's actor."""
        del self.refs[order_id], self.made[order_id]

    def clear(self) -> None:
        """Forget all."""
        self.refs.clear()
        self.made.clear()

    def find(self, order_id: WorkOrderId) -> OrderRef | None:
        """Return the order's live actor, if there is one, and count it as used now."""
        ref = self.refs.get(order_id)
        if ref is None or ref.actor_stopped.is_set():
            return None
        self.refs.move_to_end(order_id)
        return ref

    @property
    def held_back(self) -> int:
        """Messages that wait where nothing is taken, for a reason of their order's own."""
        return sum(len(mailbox_of(ref)) for ref in self._held_refs())

    @property
    def busy(self) -> int:
        """Actors that are not kept from their messages."""
        return len(self.refs) - sum(1 for _ in self._held_refs())

    def _held_refs(self) -> Iterator[OrderRef]:
        if self.paused or self.gate.backing_off:
            for ref in self.refs.values():
                if mailbox_of(ref).held and not mailbox_of(ref).empty():
                    yield ref

    def held(self, limit: int) -> list[OrderLock]:
        """Return the `limit` live actors that were made first, oldest first."""
        now, clock = datetime.now(UTC), time.monotonic()
        return [
            OrderLock(order_id, now - timedelta(seconds=clock - mailbox.created))
            for order_id, mailbox in islice(self.made.items(), limit)
        ]


def mailbox_of(ref: OrderRef) -> Any:  # noqa: ANN401 -- pykka types it as its own inbox
    """Return the mailbox of the actor behind `ref`."""
    return ref.actor_inbox
