"""One term of ownership: the actors that live under one epoch, from take-over to their end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog
from pykka import ActorDeadError

from actors.commit.committer import Committer
from actors.domain.commit import OUTBOX
from actors.domain.guards import WATCH_ALL, Guards
from actors.domain.messages import ReadOrder, Sweep, Tidy, Trim
from actors.errors import WorkOrderError
from actors.jobs.keeper import JobKeeper, JobOptions
from actors.node.retention import keep_log_short
from actors.node.rolling import keep_rolled_up
from actors.orders.followups import Followups
from actors.orders.supervisor import Limits, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from pykka import ActorRef

    from actors.domain.commit import StoredOrder
    from actors.domain.evidence import Evidence, EvidenceQuery
    from actors.domain.model import Epoch, WorkOrderId
    from actors.orders.region import Region
    from actors.runtime.directory import Directory
    from actors.store.port import Store

_log = structlog.get_logger(__name__)

_SWEEP_PAGE = 500
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class TermOptions:
    """How the actors of a term are made: bounds, entries per commit, commits in flight."""

    limits: Limits
    batch: int = 200
    in_flight: int = 3
    jobs: JobOptions = field(default_factory=JobOptions)
    guards: Guards = WATCH_ALL
    start_next: bool = False
    """Whether the next order of a line is started as one is completed."""
    zone: tzinfo | None = None
    """Of the shifts and days that are rolled up; None: the machine's own."""
    shifts: tuple[int, ...] = (8 * 60, 20 * 60)
    retention_days: int | None = None
    """How long an order's entries stay in the log after its end; None: for ever."""


class Term:
    """Supervisor, committer and the upkeep of one epoch."""

    def __init__(
        self,
        store: Store,
        region: Region,
        epoch: Epoch,
        options: TermOptions,
        deposed: Callable[[int], None],
    ) -> None:
        self.epoch = epoch
        self._store = store
        self._region = region
        self._committer = Committer(
            store,
            epoch,
            batch=options.batch,
            in_flight=options.in_flight,
            deposed=deposed,
            stats=region.telemetry.commits,
            spans=region.telemetry.spans,
        )
        self._jobs = JobKeeper(store.inbox, epoch, options.jobs, deposed, self._ask_log)
        self._followups = Followups(store, region, start_next=options.start_next)
        self._supervisor = Supervisor(
            epoch,
            self._committer.actor_ref,
            options.limits,
            region.telemetry,
            self._jobs,
            options.guards,
            self._followups.note,
        )
        self._idle_s = options.limits.idle_s
        self._calendar = options.zone, options.shifts
        self._retention_days = options.retention_days
        self._upkeep: set[asyncio.Task[None]] = set()
        self._broken = False

    async def _ask_log(self, query: EvidenceQuery) -> Evidence:
        committer = self._committer.actor_ref
        # What an earlier owner left in the order's outbox may not be in the log yet; also what it
        # sent before it was deposed and what landed after the sweep.
        order: StoredOrder | None = await committer.ask(ReadOrder(query.work_order_id), block=False)
        archived = order is not None and order.archived
        evidence: Evidence = await committer.ask(replace(query, archived=archived), block=False)
        return evidence

    @property
    def supervisor(self) -> ActorRef[Supervisor]:
        """The supervisor's ref."""
        return self._supervisor.actor_ref

    @property
    def committer(self) -> Committer:
        """The committer, for its statistics."""
        return self._committer

    @property
    def directory(self) -> Directory:
        """The live order actors."""
        return self._supervisor.directory

    @property
    def jobs(self) -> JobKeeper:
        """The keeper of waiting work."""
        return self._jobs

    @property
    def alive(self) -> bool:
        """Whether the actors that all others need still run, and the upkeep with them."""
        if self._broken:
            return False
        return self._supervisor.actor_ref.is_alive() and self._committer.actor_ref.is_alive()

    async def begin(self) -> None:
        """Serve; outboxes that earlier epochs left behind are emptied beside it.

        Serving need not wait for them: who loads an order, and who reads its log, sees its
        outbox all the same.
        """
        async with self._region.changing_pause:
            paused = await self._store.paused()
            directory = self._supervisor.directory
            directory.gate.open = not paused
            directory.paused.update(await self._store.inbox.paused_orders())
            # Before anybody is let in: what was accepted first is applied first.
            await self._jobs.begin(self.supervisor, directory)
            self._region.enter(self.supervisor, directory, self._jobs, paused=paused)
        self._start(self._jobs.run_feeder())
        self._start(self._jobs.run_unclaimed())
        self._start(self._empty_old_outboxes())
        self._start(self._passivate_idle())
        self._start(self._followups.run())
        self._start(keep_rolled_up(self._store.statistics, *self._calendar))
        if (days := self._retention_days) is not None:
            archived = self._region.telemetry.archived
            self._start(keep_log_short(self._store.archive, days, archived))

    async def finish(self, deadline: float) -> bool:
        """Finish what is queued and empty all outboxes, until `deadline` (loop time).

        `True` when all was done; the caller ends the term with `abandon` in either case.
        """
        directory = self._supervisor.directory
        gate = directory.gate
        loop = asyncio.get_running_loop()
        self._jobs.drain()
        while gate.active or (gate.open and gate.waiting > directory.held_back):
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(0.01)
        if not gate.open:
            return False
        try:
            async with asyncio.timeout_at(deadline):
                while directory.busy or not (self._committer.idle and self._jobs.idle):
                    await self.supervisor.ask(Sweep(everything=True), block=False)
                    await asyncio.sleep(0.01)
                return await self._empty_last_outboxes()
        except (TimeoutError, ActorDeadError, WorkOrderError):
            return False

    async def abandon(self, reason: str) -> None:
        """End the term at once: what waits is answered "not applied", what is sent settles."""
        self._region.leave(reason)
        answered = self._supervisor.abandon()
        self._committer.close()
        self._jobs.close()
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        _log.info("term_ended", epoch=self.epoch, reason=reason, not_applied=answered)

    @property
    def settling(self) -> int:
        """Commits, of many orders each, that are under way."""
        return self._committer.settling

    async def settled(self) -> None:
        """Return when no commit of this term is under way any more."""
        await self._committer.settled()

    # -- upkeep ------------------------------------------------------------------------------

    def _start(self, upkeep: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(upkeep)  # type: ignore[arg-type]
        self._upkeep.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._upkeep.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = True
            _log.error("upkeep_failed", epoch=self.epoch, exc_info=task.exception())

    async def _empty_old_outboxes(self) -> None:
        done: set[WorkOrderId] = set()
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                found = await self._store.dirty(_SWEEP_PAGE + len(done))
                left = [order_id for order_id in found if order_id not in done]
                if not left:
                    break
                emptied = await asyncio.gather(*(self._empty_outbox(each) for each in left))
                done.update(order_id for order_id, ok in zip(left, emptied, strict=True) if ok)
                if all(emptied):
                    continue
            except WorkOrderError as error:
                _log.warning("outbox_sweep_waits", epoch=self.epoch, error=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        _log.info("outboxes_swept", epoch=self.epoch, orders=len(done))

    async def _empty_last_outboxes(self) -> bool:
        """Empty what the sweep has not come to, or not succeeded with; tell if that is all.

        The main service reads the log itself, without what is only in an outbox.
        """
        done: set[WorkOrderId] = set()
        while True:
            found = await self._store.dirty(_SWEEP_PAGE + len(done))
            left = [order_id for order_id in found if order_id not in done]
            if not left:
                return True
            if not all(await asyncio.gather(*(self._empty_outbox(each) for each in left))):
                return False
            done.update(left)

    async def _empty_outbox(self, order_id: WorkOrderId) -> bool:
        committer = self._committer.actor_ref
        try:
            order: StoredOrder | None = await committer.ask(ReadOrder(order_id), block=False)
            if order is not None and OUTBOX in order.unreadable:
                # Acknowledged changes: kept for people to read, and the order with them.
                _log.error(
                    "outbox_unreadable", work_order_id=order_id, value=order.unreadable[OUTBOX]
                )
                return False
            if order is not None:
                await committer.ask(Trim(order), block=False)
        except WorkOrderError as error:
            _log.warning("outbox_kept", work_order_id=order_id, error=str(error))
            return False
        except Exception as error:  # noqa: BLE001 -- a spoilt order must not end the term
            _log.error("outbox_unreadable", work_order_id=order_id, exc_info=error)
            return False
        return True

    async def _passivate_idle(self) -> None:
        interval = max(0.05, min(self._idle_s / 10, 10.0))
        while True:
            await asyncio.sleep(interval)
            self._committer.actor_ref.tell(Tidy(self._idle_s / 10))
            leaving = await self.supervisor.ask(Sweep(), block=False)
            if leaving:
                _log.debug("actors_passivated", epoch=self.epoch, actors=leaving)
