"""Which outcomes are committed in an order but not yet known to be durable in the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.domain.evidence import size_of
from actors.domain.model import LogEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.domain.evidence import Outcome
    from actors.domain.model import WorkOrderId


@dataclass(slots=True)
class Ledger:
    """Outcomes by order and job, oldest first: what the orders' outboxes must still carry."""

    _orders: dict[WorkOrderId, dict[str, Outcome]] = field(default_factory=dict)
    _waiters: dict[WorkOrderId, list[Callable[[], None]]] = field(default_factory=dict)
    _sizes: dict[WorkOrderId, int] = field(default_factory=dict)
    _size_of: dict[str, int] = field(default_factory=dict)
    """Of each outcome, by its job."""

    def __len__(self) -> int:
        return len(self._size_of)

    def of(self, order_id: WorkOrderId) -> tuple[Outcome, ...]:
        """Return the order's outcomes, oldest first."""
        held = self._orders.get(order_id)
        return tuple(held.values()) if held else ()

    def count(self, order_id: WorkOrderId) -> int:
        """Return the number of the order's outcomes."""
        return len(self._orders.get(order_id, ()))

    def size(self, order_id: WorkOrderId) -> int:
        """Return the bytes that the order's outcomes take in its document, at most."""
        return self._sizes.get(order_id, 0)

    def highest_seq(self, order_id: WorkOrderId) -> int:
        """Return the highest seq among the order's entries, 0 when there is none."""
        entries = self._orders.get(order_id, {}).values()
        return max((each.seq for each in entries if isinstance(each, LogEntry)), default=0)

    def add(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Note committed outcomes; give those that were not noted before."""
        new = []
        for outcome in outcomes:
            order_id, job_id = outcome.work_order_id, outcome.change.job_id
            order = self._orders.setdefault(order_id, {})
            if job_id not in order:
                order[job_id] = outcome
                size = self._size_of[job_id] = size_of(outcome)
                self._sizes[order_id] = self._sizes.get(order_id, 0) + size
                new.append(outcome)
        return new

    def remove(self, outcomes: Iterable[Outcome]) -> None:
        """Forget outcomes that the log holds durably, and wake who waits for that."""
        touched = set()
        for outcome in outcomes:
            order_id, job_id = outcome.work_order_id, outcome.change.job_id
            order = self._orders.get(order_id)
            if order is not None and order.pop(job_id, None) is not None:
                touched.add(order_id)
                self._sizes[order_id] -= self._size_of.pop(job_id, 0)
        for order_id in touched:
            if not self._orders[order_id]:
                del self._orders[order_id], self._sizes[order_id]
            if self._waiters:
                for wake in self._waiters.pop(order_id, ()):
                    wake()

    def on_progress(self, order_id: WorkOrderId, wake: Callable[[], None]) -> None:
        """Call `wake` once, when next an outcome of this order has become durable."""
        self._waiters.setdefault(order_id, []).append(wake)

    def give_up(self, order_id: WorkOrderId, wake: Callable[[], None]) -> None:
        """Do not call `wake` any more."""
        waiters = self._waiters.get(order_id, [])
        if wake in waiters:
            waiters.remove(wake)
        if not waiters:
            self._waiters.pop(order_id, None)

    def wake_all(self) -> None:
        """Wake everyone who waits for progress: there will be none."""
        while self._waiters:
            for wake in self._waiters.popitem()[1]:
                wake()
