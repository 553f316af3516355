"""One commit to one order: what was read, what is to be stored, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.domain.model import LogEntry, Operation, OperationEntry, OrderFacts, OrderState
from actors.domain.records import quick
from actors.errors import StoreRejected

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from actors.domain.evidence import Outcome
    from actors.domain.model import Number, WorkOrderId


OUTBOX: Final = "outbox"
"""Names the outbox among what of an order can't be read."""
_BY_THE_PLAN: Final = (Operation.START, Operation.CHANGE_PLAN)
"""Operations that are decided by the order's planQuantity."""


@quick
@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as read, or as it is known to be after a commit."""

    id: WorkOrderId
    facts: OrderFacts
    state: OrderState
    seq: int = 0
    """Number of log entries that this service wrote for the order."""
    epoch: int = 0
    revision: int = 0
    """+1 per commit, also for one with refusals only; the compare-and-set matches it."""
    adopted: bool = False
    """Whether the order carries our state; ``False`` before our first commit to it, or
    after somebody replaced the whole document."""
    outbox: tuple[Outcome, ...] = ()
    guard: Mapping[str, Any] = field(default_factory=dict)
    """Fields whose stored value is not the plain number or text in `state` (missing, null,
    text): the store compares these as they were read. Opaque to everyone else."""
    stored_seq: Number | None = None
    """The seq that the document has, where its log is ahead: an old copy was put back."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Fields that hold what is counted and can't be read, with what is there."""
    archived: bool = False
    """Whether entries of it are in the archive, so that decisions have to ask that too."""

    @property
    def document_seq(self) -> Number:
        """The seq that the compare-and-set has to find in the document."""
        return self.seq if self.stored_seq is None else self.stored_seq


@quick
@dataclass(frozen=True, slots=True)
class ChangeSet:
    """All that one commit does to one order."""

    before: StoredOrder
    after: OrderState
    outcomes: tuple[Outcome, ...]
    """New entries and refusals, in order; the entries' seq goes on from `before.seq`."""
    carried: tuple[Outcome, ...]
    """Earlier outcomes not yet known to be durable in the log: they stay in the outbox."""
    at: datetime
    traceparents: tuple[str, ...] = ()
    """Of the updates that it carries, where they are traced."""

    @property
    def plan_quantity(self) -> Number | None:
        """The planQuantity that it was decided by, None where that decided nothing."""
        for each in self.outcomes:
            if isinstance(each, OperationEntry) and each.change.type in _BY_THE_PLAN:
                return self.before.state.plan_quantity
        return None

    def applied(self, epoch: int, written: Collection[str]) -> StoredOrder:
        """Return the order as it is once this is committed under `epoch`.

        What was read of the stored fields that are `written` guards it no more.
        """
        before = self.before
        guard = before.guard
        if guard:
            guard = {name: guard[name] for name in guard if name not in written}
        seq = before.seq
        for each in self.outcomes:
            seq += isinstance(each, LogEntry)
        return StoredOrder(
            before.id,
            before.facts,
            self.after,
            seq,
            epoch,
            before.revision + 1,
            adopted=True,
            guard=guard,
            unreadable=before.unreadable,
            archived=before.archived,
        )

    def is_possible_on(self, current: StoredOrder | None, epoch: int) -> bool:
        """Return whether an attempt under `epoch`, however late, could apply to what is stored.

        Only a change of other fields leaves it possible: seq and turn are what it waits for.
        """
        before = self.before
        return (
            current is not None
            and current.epoch <= epoch
            and current.revision == before.revision
            and current.adopted == before.adopted
            and (current.document_seq == before.document_seq or not before.adopted)
        )


@quick
@dataclass(frozen=True, slots=True)
class Committed:
    """The change set is durable; `order` is what is stored now (its outbox left out)."""

    order: StoredOrder


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing of the change set is applied; `current` is what is stored now, None when gone."""

    current: StoredOrder | None


CommitResult = Committed | Stale | StoreRejected
