"""One shard as the web's port has it, wherever its process is: every call goes over the link."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from actors.errors import NotOwner, WorkOrderError
from actors.node.status import NodeStatus, Role
from actors.orders.region import Backlog, Statistics
from actors.ray.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.domain.job import Job, JobState
    from actors.domain.messages import OrderLock, OrderWaits, Queued, Updated, UpdateQuantity
    from actors.domain.model import JobId, WorkOrderId
    from actors.node.status import Dependency
    from actors.operators.job_admin import JobCounts
    from actors.operators.rows import ActorQuery, ActorRow, ActorView, Hot, Summary
    from actors.orders.batch import Answer
    from actors.ray.link import ShardLink
    from actors.telemetry.journal import Event

_WITHIN_S: Final = 10.0
_NOTHING: Final = Statistics(0, 0, 0, 0, 0, 0, paused=False, wait_ms=0.0)


class RemoteOrders:
    """Implements `actors.engine.Orders` for one shard."""

    def __init__(self, link: ShardLink) -> None:
        self._link = link

    async def update(self, message: UpdateQuantity) -> Updated | Queued:
        """Have one change applied or kept."""
        (answer,) = await self._link.send([message])
        if isinstance(answer, WorkOrderError):
            raise answer
        return answer

    async def update_many(self, messages: Sequence[UpdateQuantity]) -> list[Answer]:
        """Have many changes applied: those of one order go as one, as they stand."""
        by_order: dict[WorkOrderId, list[int]] = {}
        for index, message in enumerate(messages):
            by_order.setdefault(message.work_order_id, []).append(index)
        answers: list[Answer] = [NotOwner("not reached")] * len(messages)

        async def send(indexes: list[int]) -> None:
            try:
                some = await self._link.send([messages[index] for index in indexes])
            except WorkOrderError as error:
                some = [error] * len(indexes)
            for index, answer in zip(indexes, some, strict=True):
                answers[index] = answer

        await asyncio.gather(*map(send, by_order.values()))
        return answers

    async def operate(self, message: UpdateQuantity) -> Updated:
        """Have one operation on a work order done."""
        done: Updated = await operate(self._link, "operate", message)
        return done

    async def pause(self) -> None:
        """Stop the processing of updates."""
        await operate(self._link, "pause")

    async def resume(self) -> None:
        """Process updates again."""
        await operate(self._link, "resume")

    async def pause_order(self, order_id: WorkOrderId) -> None:
        """Stop the processing of one order."""
        await operate(self._link, "pause_order", order_id)

    async def resume_order(self, order_id: WorkOrderId) -> None:
        """Process one order's updates again."""
        await operate(self._link, "resume_order", order_id)

    def is_paused(self, order_id: WorkOrderId) -> bool:
        """Return whether this order is paused alone, as the shard said last."""
        return order_id in self.statistics().paused_orders

    def backlog(self) -> Backlog:
        """Return what each answer says of `statistics`."""
        counts = self.statistics()
        return Backlog(counts.waiting, counts.active, counts.wait_ms)

    def statistics(self) -> Statistics:
        """Return what the shard counted last; nothing while it is away."""
        news = self._link.news
        return _NOTHING if news is None else news.statistics

    async def waits_for(self, order_ids: Sequence[WorkOrderId]) -> list[OrderWaits]:
        """Tell of each order what waits for it."""
        waits: list[OrderWaits] = await operate(self._link, "waits_for", list(order_ids))
        return waits

    async def held(self, limit: int) -> tuple[int, list[OrderLock]]:
        """Return the orders held by live actors."""
        held: tuple[int, list[OrderLock]] = await operate(self._link, "held", limit)
        return held


class RemoteJobs:
    """Implements `actors.engine.Jobs` for one shard."""

    def __init__(self, link: ShardLink) -> None:
        self._link = link

    async def find(self, job_id: JobId) -> tuple[Job, str]:
        """Return a job and its state."""
        found: tuple[Job, str] = await operate(self._link, "jobs.find", job_id)
        return found

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
        """Return how many jobs are in `state`, and one page of them."""
        asked = (state, order_id, page, page_size, error_code, max_bytes)
        found: tuple[int, list[tuple[Job, str]]] = await operate(self._link, "jobs.page", *asked)
        return found

    async def counts(
        self, order_id: WorkOrderId | None = None, error_code: str | None = None
    ) -> JobCounts:
        """Count jobs by state."""
        counts: JobCounts = await operate(self._link, "jobs.counts", order_id, error_code)
        return counts

    async def retry(self, job_id: JobId) -> Job:
        """Let a failed job wait again."""
        job: Job = await operate(self._link, "jobs.retry", job_id)
        return job

    async def retry_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Let all failed jobs wait again."""
        retried: int = await operate(self._link, "jobs.retry_failed", order_id, error_code)
        return retried

    async def discard_failed(self, order_id: WorkOrderId | None, error_code: str | None) -> int:
        """Forget all failed jobs."""
        gone: int = await operate(self._link, "jobs.discard_failed", order_id, error_code)
        return gone

    async def remove(self, job_id: JobId) -> JobState:
        """Take back a job that waits, or forget a failed one."""
        state: JobState = await operate(self._link, "jobs.remove", job_id)
        return state


class RemoteActors:
    """Implements `actors.engine.Actors` for one shard."""

    def __init__(self, link: ShardLink) -> None:
        self._link = link

    @property
    def unlogged(self) -> int:
        """Count the entries that are not yet in the log, as the shard said last."""
        return 0 if self._link.news is None else self._link.news.unlogged

    async def summary(self) -> Summary:
        """Count actors by state."""
        summary: Summary = await operate(self._link, "actors.summary")
        return summary

    async def page(self, query: ActorQuery) -> tuple[int, list[ActorRow]]:
        """Return how many actors fit the query, and the page of them."""
        found: tuple[int, list[ActorRow]] = await operate(self._link, "actors.page", query)
        return found

    async def hot(self, count: int) -> Hot:
        """Return those that stand out."""
        hot: Hot = await operate(self._link, "actors.hot", count)
        return hot

    async def has(self, order_id: WorkOrderId) -> bool:
        """Return whether an order's actor is live."""
        live: bool = await operate(self._link, "actors.has", order_id)
        return live

    async def numbers(self, order_ids: Sequence[WorkOrderId]) -> Mapping[WorkOrderId, str]:
        """Return the numbers of those orders whose actors are live."""
        numbers: dict[WorkOrderId, str] = await operate(self._link, "actors.numbers", order_ids)
        return numbers

    async def one(self, order_id: WorkOrderId) -> ActorView | None:
        """Look at one order's actor."""
        view: ActorView | None = await operate(self._link, "actors.one", order_id)
        return view

    async def latest(self, order_id: WorkOrderId) -> list[Event]:
        """Return what became of the order's latest updates."""
        events: list[Event] = await operate(self._link, "actors.latest", order_id)
        return events


async def operate(link: ShardLink, name: str, *arguments: Any) -> Any:  # noqa: ANN401 -- by name
    """Have the shard do one of `OPERATIONS`; raises what `ShardLink.operate` does."""
    operation = OPERATIONS[name]
    written = await link.operate(name, operation.write_arguments(arguments), _WITHIN_S)
    return operation.read_answer(written)


def status_of(link: ShardLink, store: Dependency) -> NodeStatus:
    """Return what the shard said last of itself; without a process it says that it is away."""
    if link.news is not None:
        return link.news.status
    reason = f"no process serves shard {link.shard}"
    return NodeStatus(
        node="",
        url="",
        role=Role.STANDBY,
        epoch=0,
        serving=False,
        reason=reason,
        store=store,
        lease=store,
        lease_holder=None,
        lease_ttl_s=None,
        paused=False,
    )
