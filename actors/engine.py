"""The port that the web uses: all order actors, wherever they live.

`actors.node.node.Node` has them in one shard and this process, `actors.shards.node.ShardedNode`
in several; an engine that has them in other processes implements it too. What may have to be
asked elsewhere is a coroutine. What is none is told at once, from what is known here: an engine
whose actors are elsewhere tells what it heard last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.domain.job import Job, JobState
    from actors.domain.messages import OrderLock, OrderWaits, Queued, Updated, UpdateQuantity
    from actors.domain.model import JobId, WorkOrderId
    from actors.domain.slots import ShardMap
    from actors.errors import WorkOrderError
    from actors.lease.port import Holder
    from actors.node.status import NodeStatus, OwnershipHistory, PartCounts
    from actors.operators.job_admin import JobCounts
    from actors.operators.rows import ActorQuery, ActorRow, ActorView, Hot, Summary
    from actors.orders.region import Backlog, Statistics
    from actors.store.port import Store
    from actors.store.shards import Member
    from actors.telemetry.journal import Event
    from actors.telemetry.part_samples import PartSample
    from actors.telemetry.telemetry import Telemetry


class Orders(Protocol):
    """The orders' actors as callers use them. All coroutines may raise `NotOwner`."""

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        """Have one change applied, or kept where it waits; by `message.deadline` (monotonic).

        Answered once that is durable. Raises what `actors.orders.region.Region.update` does: above
        all `OutcomeUnknown` where it may have been applied, and `StillWaiting` or `NotOwner`
        where it surely was not.
        """
        ...

    async def operate(self, message: UpdateQuantity) -> Updated:
        """Have an operation of a whole order done, now or not at all; raises as `update` does."""
        ...

    async def update_many(
        self, messages: Sequence[UpdateQuantity]
    ) -> list[Updated | Queued | WorkOrderError]:
        """Have many changes applied; an answer each, in their order.

        Orders go in parallel. The changes of one order are applied as they stand: none overtakes
        an earlier one that was missed.
        """
        ...

    async def pause(self) -> None:
        """Stop the processing of all updates, durably; what arrives waits."""
        ...

    async def resume(self) -> None:
        """Process updates again."""
        ...

    async def pause_order(self, order_id: WorkOrderId) -> None:
        """Stop the processing of one order, durably; what arrives for it waits."""
        ...

    async def resume_order(self, order_id: WorkOrderId) -> None:
        """Process one order's updates again."""
        ...

    def is_paused(self, order_id: WorkOrderId) -> bool:
        """Return whether this order is paused alone, as far as is known here."""
        ...

    def backlog(self) -> Backlog:
        """Count what waits and what is at work, as far as is known here: each answer says it."""
        ...

    def statistics(self) -> Statistics:
        """Count what waits, what is at work and what was done, as far as is known here."""
        ...

    async def waits_for(self, order_ids: Sequence[WorkOrderId]) -> list[OrderWaits]:
        """Tell of each order what waits for it, in their order."""
        ...

    async def held(self, limit: int) -> tuple[int, list[OrderLock]]:
        """Return the number of orders held by live actors, and `limit` of them, oldest first."""
        ...


class Jobs(Protocol):
    """Waiting work, and what became of it, as operators use it."""

    async def find(self, job_id: JobId) -> tuple[Job, str]:
        """Return a job and its state; raises `JobNotFound`."""
        ...

    async def page(
        self,
        state: str,
        order_id: WorkOrderId | None,
        page: int,
        page_size: int,
        error_code: str | None = None,
        *,
        max_bytes: int | None = None,
    ) -> tuple[int, list[tuple[Job, str]]]:
        """Return how many jobs are in `state`, and one page of them; of those with one error.

        Waiting ones in their order, finished ones newest first. With `max_bytes` a page ends
        early, as the store's port says.
        """
        ...

    async def counts(
        self, order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> JobCounts:
        """Count jobs by state, or those of one order, or that failed last with one error."""
        ...

    async def retry(self, job_id: JobId) -> Job:
        """Let a failed job wait again.

        Raises `JobNotFound`, `JobStateConflict`, `MailboxFull`, `NotOwner`.
        """
        ...

    async def retry_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Let all failed jobs wait again, of one order or with one error; give their number.

        Raises `MailboxFull` where there is no room for any of them, and `NotOwner`.
        """
        ...

    async def discard_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Forget all failed jobs, of one order or with one error; give their number.

        Raises `NotOwner`.
        """
        ...

    async def remove(self, job_id: JobId) -> JobState:
        """Take back a job that waits, or forget a failed one; give the state that it was in.

        Raises `JobNotFound`, `JobStateConflict`, `NotOwner`.
        """
        ...


class Actors(Protocol):
    """A look at the live actors, which changes nothing."""

    @property
    def unlogged(self) -> int:
        """Count the entries that are committed and not yet in the log, as far as is known here."""
        ...

    async def summary(self) -> Summary:
        """Count actors by state, and what waits for them."""
        ...

    async def page(self, query: ActorQuery) -> tuple[int, list[ActorRow]]:
        """Return how many actors fit the query, and the page of them."""
        ...

    async def hot(self, count: int) -> Hot:
        """Return those with the most waiting, the longest times and the most updates."""
        ...

    async def has(self, order_id: WorkOrderId) -> bool:
        """Return whether an order's actor is live."""
        ...

    async def numbers(self, order_ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of those orders whose actors are live and have read them."""
        ...

    async def one(self, order_id: WorkOrderId) -> ActorView | None:
        """Look at one order's actor; None when it is not live."""
        ...

    async def latest(self, order_id: WorkOrderId) -> list[Event]:
        """Return what became of the order's latest updates, newest first."""
        ...


class Part(Protocol):
    """The orders that have one owner at a time: all of them, or those of one shard."""

    def status(self) -> NodeStatus:
        """Say whether this node serves them, and how its servers are; asks none."""
        ...

    def counts(self) -> PartCounts | None:
        """Return what is counted of them, as far as is known here; None where it is not known."""
        ...

    def past(self, since: float) -> Sequence[PartSample]:
        """Return what was counted from `since` (seconds since 1970) on, at most of an hour."""
        ...

    def owner_elsewhere(self) -> Holder | None:
        """Return the other node that owns them, as the lease last said; None when none does.

        None as well while this node owns them, takes over or drains, and always for an engine
        that reaches its actors wherever they are: no call is handed to another node then.
        """
        ...

    def confirms(self, holder: Holder) -> bool:
        """Return whether the store too names `holder`, its address and its epoch as the owner's."""
        ...


class Roster(Protocol):
    """The nodes of an engine that owns nothing in any of them; one keeps what all look at."""

    @property
    def term(self) -> int:
        """The number of the time that this node keeps it, counted from 1; 0 while it does not."""
        ...

    def others(self) -> Sequence[Member]:
        """Return the other nodes that are there."""
        ...


class Engine(Protocol):
    """What a node's web is put in front of."""

    node_id: str
    telemetry: Telemetry
    """What the actors of this process did."""

    @property
    def shards(self) -> ShardMap | None:
        """The map of shards, as it was read last; None where all orders have one owner.

        With one, be it of one shard, each call is answered by those whose shards it is about.
        """
        ...

    @property
    def roster(self) -> Roster | None:
        """None where nodes own orders: an owner keeps what all look at, and hears of the others."""
        ...

    @property
    def store(self) -> Store:
        """For what is read of orders and logs, which needs no owner."""
        ...

    @property
    def region(self) -> Orders:
        """The orders' actors."""
        ...

    @property
    def jobs(self) -> Jobs:
        """Waiting work."""
        ...

    @property
    def parts(self) -> Sequence[Part]:
        """What has an owner of its own, by shard; one of all orders where there are no shards.

        A list of others, and perhaps of another number, once the orders are cut anew.
        """
        ...

    def part_of(self, order_id: WorkOrderId) -> int:
        """Return the index of the part that an order belongs to."""
        ...

    def inspector(self) -> Actors:
        """Return the look at the live actors; raises `NotOwner` where there are none."""
        ...

    # -- its life ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Open all that is needed; returns when it is settled who owns what.

        Raises:
            StartupError: a server can't be reached, or is not as it must be.

        """
        ...

    @property
    def started(self) -> bool:
        """Whether there is a status to tell."""
        ...

    async def wait_failed(self) -> None:
        """Return only when something has died without which the process must stop."""
        ...

    async def drain(self, timeout_s: float) -> bool:
        """Finish what is queued here, and own nothing more; `True` when all was finished."""
        ...

    async def close(self) -> None:
        """Close all clients. Idempotent."""
        ...

    # -- what it says of itself --------------------------------------------------------------

    def status(self) -> NodeStatus:
        """Say whether updates can be served by this node, and how its servers are; asks none."""
        ...

    def owner_elsewhere(self) -> Holder | None:
        """Return the other node that owns what this one does not; None when none does."""
        ...

    def ownership(self) -> OwnershipHistory:
        """Tell who owned the actors, as far as this node has seen it."""
        ...

    async def reshard(self, count: int) -> ShardMap:
        """Have the orders cut into `count` shards by all nodes; return the map that they leave.

        Raises `ShardsFixed`, `StoreUnavailable`, `LeaseUnavailable`, `OutcomeUnknown`.
        """
        ...

    async def clean(self, grace_s: float) -> int:
        """Forget what finished more than `grace_s` seconds ago; give the number of jobs.

        Raises `NotOwner`.
        """
        ...

    async def clean_locks(self) -> int:
        """Clear leases without expiry that nobody lives behind; give how many were cleared.

        Raises `LeaseSpoilt`.
        """
        ...
