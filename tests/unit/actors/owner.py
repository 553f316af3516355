"""An owner of the actors on a store in memory: region, term, and what callers send them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.domain.guards import WATCH_ALL, Guards
from actors.domain.messages import Pause, Queued, Resume, Updated, UpdateQuantity
from actors.domain.model import (
    Change,
    ChangeType,
    LogContext,
    Number,
    RequestId,
    WorkOrderId,
    new_job_id,
)
from actors.errors import WorkOrderError
from actors.jobs.keeper import JobOptions
from actors.node.term import Term, TermOptions
from actors.operators.job_admin import JobAdmin
from actors.orders.region import Region
from actors.orders.supervisor import Limits
from actors.telemetry.telemetry import Telemetry
from tests.fakes import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from actors.orders.supervisor import Supervisor
    from actors.runtime.directory import Directory
    from actors.runtime.mailbox import Gate

Answer = Updated | Queued | WorkOrderError


def order_number(number: int) -> WorkOrderId:
    return WorkOrderId(f"{number:024x}")


ORDER = order_number(1)
OTHER = order_number(2)


def update(
    quantity: Number = 1,
    order_id: WorkOrderId = ORDER,
    *,
    key: str | None = None,
    within: float = 300.0,
    wait: bool = True,
    **context: Any,  # noqa: ANN401 fields of LogContext
) -> UpdateQuantity:
    """Ask for an input; as from the web, only what has a key has a fingerprint."""
    fingerprint = "" if key is None else f"{quantity}"
    change = Change(
        new_job_id(),
        ChangeType.INPUT,
        quantity,
        LogContext(**context),
        None if key is None else RequestId(key),
        fingerprint,
    )
    return UpdateQuantity(order_id, change, time.monotonic() + within, wait=wait)


def a_store(orders: int) -> MemoryStore:
    """Make a store with orders number 1 to `orders`."""
    store = MemoryStore()
    for number in range(1, orders + 1):
        store.put(order_number(number))
    return store


def quantities(store: MemoryStore) -> list[float]:
    return [each.applied_quantity for each in store.written(ORDER)]


def seqs(answers: Sequence[Answer]) -> list[int | None]:
    return [each.seq if isinstance(each, Updated) else None for each in answers]


@dataclass
class Owner:
    """One term of ownership, begun."""

    store: MemoryStore
    region: Region
    term: Term
    deposed: list[int] = field(default_factory=list)

    @classmethod
    async def begin(
        cls,
        store: MemoryStore,
        jobs: JobOptions | None = None,
        guards: Guards = WATCH_ALL,
        *,
        start_next: bool = False,
        **limits: Any,  # noqa: ANN401 of Limits
    ) -> Owner:
        """Take over: claim an epoch and serve."""
        region, deposed = (
            Region(
                Telemetry(),
                lambda epoch, paused: store.set_paused(epoch, paused=paused),
                store,
            ),
            list[int](),
        )
        epoch = await store.claim_epoch("node")
        options = TermOptions(
            Limits(**limits), jobs=jobs or JobOptions(), guards=guards, start_next=start_next
        )
        term = Term(store, region, epoch, options, deposed.append)
        await term.begin()
        return cls(store, region, term, deposed)

    @property
    def supervisor(self) -> Supervisor:
        return self.term.supervisor.actor_inbox.actor  # type: ignore[attr-defined, no-any-return]

    @property
    def directory(self) -> Directory:
        return self.supervisor.directory

    @property
    def gate(self) -> Gate:
        return self.directory.gate

    async def ask(self, message: UpdateQuantity) -> Answer:
        """Return the reply or the error."""
        try:
            return await self.region.update(message)
        except WorkOrderError as error:
            return error

    def soon(self, message: UpdateQuantity) -> asyncio.Task[Answer]:
        return asyncio.get_running_loop().create_task(self.ask(message))

    @property
    def desk(self) -> JobAdmin:
        return JobAdmin(self.store.inbox, lambda: self.region.jobs, self.region.telemetry.tally)

    async def hold(self) -> None:
        """Close the gate: mailboxes take messages, and give none."""
        await self.term.supervisor.ask(Pause(), block=False)

    async def go_on(self) -> None:
        """Open the gate again."""
        await self.term.supervisor.ask(Resume(), block=False)

    async def at_rest(self) -> None:
        """Return when nothing waits, nothing is handled, and the log has all there is."""
        while self.gate.waiting or self.gate.active or not self.term.committer.idle:  # noqa: ASYNC110 counts have no event
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        await self.term.abandon("the test is over")
        await self.term.settled()


@asynccontextmanager
async def owner_of(
    store: MemoryStore,
    jobs: JobOptions | None = None,
    guards: Guards = WATCH_ALL,
    *,
    start_next: bool = False,
    **limits: Any,  # noqa: ANN401 of Limits
) -> AsyncIterator[Owner]:
    """Own the actors; afterwards nothing may wait, be handled, or be under way."""
    owner = await Owner.begin(store, jobs, guards, start_next=start_next, **limits)
    gate = owner.gate
    try:
        yield owner
    finally:
        await owner.end()
    await asyncio.sleep(60)  # in virtual time: until every back-off has ended
    assert (gate.waiting, gate.active, gate.delayed) == (0, 0, 0)
    assert (gate.durable, gate.backing_off) == (0, 0)
    running = asyncio.all_tasks() - {asyncio.current_task()}
    assert not running, running


async def turns(count: int = 20) -> None:
    """Let everything that can run without time passing do so."""
    for _ in range(count):
        await asyncio.sleep(0)
