"""The node's actor: standby or owner, by the lease; it alone begins and ends terms of ownership."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from actors.errors import (
    LeaseSpoilt,
    LeaseUnavailable,
    OutcomeUnknown,
    StoreRejected,
    StoreUnavailable,
)
from actors.lease.port import Holder
from actors.node.messages import Deposed, Drain, HandOver, Tick
from actors.node.status import NodeStatus, OwnershipHistory, Role, Watched
from actors.node.term import Term
from actors.node.unsettled import UnsettledTerms
from actors.runtime.actor import AsyncioActor

if TYPE_CHECKING:
    from actors.lease.port import Lease, LeaseView
    from actors.node.options import NodeOptions, Permit
    from actors.orders.region import Region
    from actors.store.port import Claim, Store

_log = structlog.get_logger(__name__)

_STANDBY_LOOKS_S = 0.25


class NodeActor(AsyncioActor):
    """Renews or takes the lease at each `Tick`, and makes or ends the term that follows."""

    in_registry = False

    def __init__(
        self, store: Store, lease: Lease, region: Region, options: NodeOptions, permit: Permit
    ) -> None:
        super().__init__()
        self._permit = permit
        self._store, self._lease, self._region = store, lease, region
        self._options = options
        self._holder = Holder(options.node_id, options.url, "")
        self._highest_seen = 0
        """Highest epoch that deposed us: what a take-over claims is above it."""
        self._candidate: Holder | None = None
        self._view: LeaseView | None = None
        self._claim: Claim | None = None
        """As the store had it last: who may be sent what callers sent us."""
        self._viewed_at = self._renewed_at = time.monotonic()
        self._watched_store = Watched(store.name)
        self._watched_lease = Watched(lease.name)
        self._timer: asyncio.TimerHandle | None = None
        self._term: Term | None = None
        self._settling = UnsettledTerms()
        self._role = Role.STANDBY
        self._reason: str | None = "starting"
        self.ownership = OwnershipHistory()
        self.died = asyncio.Event()

    async def on_receive(self, message: Any) -> object:  # noqa: ANN401 -- pykka's signature
        """Handle `Tick`, `Deposed`, `HandOver` and `Drain`."""
        match message:
            case Tick():
                await self._tick()
            case Deposed():
                await self._on_deposed(message.epoch)
            case HandOver():
                return await self._hand_over(message.timeout_s)
            case Drain():
                return await self.drain(message.timeout_s)
            case _:
                raise TypeError(f"not for a node: {message!r}")
        return None

    def on_failure(self, *_exc_info: object) -> None:
        """Let the process know: a node without its actor must not go on."""
        self.died.set()

    def status(self) -> NodeStatus:
        """Say what `/health` shows."""
        store = self._watched_store.view()
        serving = self._role is Role.OWNER and store.ok
        ttl = self._view.ttl_s if self._view else None
        if ttl is not None:
            ttl = max(0.0, ttl - (time.monotonic() - self._viewed_at))
        return NodeStatus(
            node=self._options.node_id,
            url=self._options.url,
            role=self._role,
            epoch=self._term.epoch if self._term else 0,
            serving=serving,
            reason=None if serving else (self._reason if store.ok else store.detail),
            store=store,
            lease=self._watched_lease.view(),
            lease_holder=self._view.holder.node if self._view else None,
            lease_ttl_s=ttl,
            paused=self._region.paused,
            lease_note=self._view.note if self._view else None,
        )

    @property
    def term(self) -> Term | None:
        """The term of ownership, while this node serves."""
        return self._term

    @property
    def settling(self) -> bool:
        """Whether commits of terms that ended are under way still."""
        return self._settling.any

    def owner_elsewhere(self) -> Holder | None:
        """Return the holder of the lease while this node is a standby."""
        if self._role is not Role.STANDBY or self._view is None:
            return None
        return self._view.holder if self._view.holder.node != self._options.node_id else None

    def confirms(self, holder: Holder) -> bool:
        """Return whether the store too names `holder`, its address and its epoch.

        Who can write to the lease could lead callers' tokens anywhere; a node of an earlier
        release left no address in the store and is known by name and epoch only.
        """
        claim = self._claim
        if claim is None or (claim.epoch, claim.node) != (holder.epoch, holder.node):
            return False
        return claim.url in ("", holder.url)

    # -- the lease ---------------------------------------------------------------------------

    async def _tick(self) -> None:
        if self._role in (Role.DRAINING, Role.STOPPED) or self._hangs():
            return
        try:
            if self._role is Role.OWNER:
                # Both at once: a store that hangs must not use up the lease's time.
                _, kept = await asyncio.gather(self._look_at_store(), self._renew())
                await self._stay_or_go(kept)
            else:
                await self._look_at_store()
                await self._try_to_take_over()
        finally:
            self._tick_later()

    def _hangs(self) -> bool:
        """Give the process up when a commit of an earlier term does not settle.

        Sent under an epoch that is over, it may be applied for as long as it is sent again: later
        than anybody who was told "not known" expects. A crash is what surely ends it.
        """
        possible = self._watched_store.ok or self.owner_elsewhere() is not None
        term = self._settling.overdue(possible=possible)
        if term is None:
            return False
        _log.error("commits_not_settled", epoch=term.epoch, commits=term.settling)
        self.died.set()
        return True

    def _tick_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        ttl_s = self._options.lease_ttl_s
        if self._role is Role.OWNER:
            # From the last renewal on, however long this look at store and lease has taken.
            due_in_s = self._renewed_at + ttl_s / 3 - time.monotonic()
            pause_s = max(due_in_s, ttl_s / 10)
        else:  # more often: a lease that was released is taken at once
            pause_s = min(ttl_s / 5, _STANDBY_LOOKS_S)
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._tell_tick)

    def _tell_tick(self) -> None:
        if self.actor_ref.is_alive():
            self.actor_ref.tell(Tick())

    async def _look_at_store(self) -> None:
        await self._watched_store.ask(self._store.ping, self._options.lease_ttl_s / 3)

    async def _stay_or_go(self, kept: bool | None) -> None:  # noqa: FBT001 -- or unknown
        """Step down when another holds the lease, or when the store is gone for long."""
        ttl_s = self._options.lease_ttl_s
        unrenewed_s = time.monotonic() - self._renewed_at
        if self._term is None or not self._term.alive:
            await self._step_down("an actor that all others need has died")
        elif kept is False:
            await self._step_down("the lease is lost")
        elif self._watched_store.down_s > ttl_s:
            await self._step_down("the store does not answer")
        elif kept is None and self._options.lease_loss == "strict" and unrenewed_s > ttl_s / 2:
            # The next look, with all the time that an answer may take, would be too late.
            await self._step_down("the lease can't be renewed, and LEASE_LOSS is strict")

    async def _renew(self) -> bool | None:
        """Extend the lease; None when its server gives no answer (the store's fence holds)."""
        asked_at = time.monotonic()  # the lease lasts from some time after this
        kept: bool | None = None
        try:
            kept = await self._lease.renew(self._holder)
            if kept:
                self._renewed_at = asked_at
            self._view = await self._lease.view()
        except LeaseUnavailable as error:
            self._watched_lease.failed(error)
            return kept
        self._note_view()
        return kept

    def _note_view(self) -> None:
        """Note that the lease was read: a fault where something else is in its place."""
        self._viewed_at = time.monotonic()
        fault = self._view.fault if self._view else None
        if fault is None:
            self._watched_lease.answered()
        else:
            self._watched_lease.failed(LeaseSpoilt(fault))

    async def _try_to_take_over(self) -> None:
        self._role = Role.STANDBY
        if not self._watched_store.ok:
            self._permit.give_back()
            self._reason = "the store does not answer"
            return
        if not self._permit.take():
            await self._look_on()
            return
        try:
            await self._try_to_acquire()
        finally:
            if self._role is Role.STANDBY:
                self._permit.give_back()

    async def _try_to_acquire(self) -> None:
        # A try without an answer may have taken the lease: only the same token finds it then.
        holder = self._candidate or replace(self._holder, token=secrets.token_hex(8), epoch=0)
        self._candidate = holder
        try:
            won = await self._lease.acquire(holder)
            self._view = await self._lease.view()
        except LeaseUnavailable as error:
            self._watched_lease.failed(error)
            self._reason = "the lease's server does not answer"
            return
        self._candidate = None
        self._note_view()
        if not won:
            await self._note_owner("another node owns the actors")
            return
        self._holder = holder
        if self._view is not None and self._view.note is not None:
            _log.warning("lease_taken_over", node=self._options.node_id, detail=self._view.note)
        await self._take_over()

    async def _look_on(self) -> None:
        """See who has the lease, and leave it to others."""
        try:
            self._view = await self._lease.view()
        except LeaseUnavailable as error:
            self._watched_lease.failed(error)
            self._reason = "the lease's server does not answer"
            return
        self._note_view()
        await self._note_owner("left to another node")

    async def _note_owner(self, otherwise: str) -> None:
        """Note whom the lease names; `otherwise` is the reason for standing by when nobody."""
        if self._view is None:
            self._reason = otherwise
        elif self._view.fault is not None:
            self._reason = self._view.fault
        else:
            holder = self._view.holder
            self.ownership.note(holder.node, holder.url, holder.epoch)
            await self._look_up(holder)
            self._reason = f"{holder.node} owns the actors"

    async def _look_up(self, holder: Holder) -> None:
        """Read who has the epoch of `holder`, unless that is known."""
        if not holder.epoch or (self._claim is not None and self._claim.epoch == holder.epoch):
            return
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(self._options.lease_ttl_s / 3):
                self._claim = await self._store.claim()

    async def _take_over(self) -> None:
        """Claim an epoch, check the lease once more, then serve."""
        self._role, self._reason = Role.TAKING_OVER, "taking over"
        node, url = self._options.node_id, self._options.url
        try:
            epoch = await self._store.claim_epoch(node, above=self._highest_seen, url=url)
            self._holder = replace(self._holder, epoch=epoch)
            if not await self._renew():
                await self._back_to_standby("the lease went while taking over")
                return
            term = Term(self._store, self._region, epoch, self._options.term, self._deposed)
            await term.begin()
        except StoreRejected as error:  # it answers: the map of shards allows nobody to
            await self._back_to_standby(str(error))
        except (StoreUnavailable, OutcomeUnknown) as error:
            self._watched_store.failed(error)
            await self._back_to_standby("the store does not answer")
        else:
            self._term, self._role, self._reason = term, Role.OWNER, None
            _log.info("owner", node=node, epoch=epoch)
            self.ownership.taken_over += 1
            self.ownership.note(node, url, epoch)
            self._region.telemetry.happened("owner", detail=node)

    # -- stepping down -----------------------------------------------------------------------

    def _deposed(self, epoch: int) -> None:
        """Tell the node's mailbox; called by the committer, whose turn must not wait for it."""
        if self.actor_ref.is_alive():
            self.actor_ref.tell(Deposed(epoch))

    async def _on_deposed(self, epoch: int) -> None:
        self._highest_seen = max(self._highest_seen, epoch)
        if self._term is not None and self._term.epoch < epoch:
            await self._step_down(f"epoch {epoch} owns the orders")

    async def _step_down(self, reason: str) -> None:
        term, self._term = self._term, None
        self._role, self._reason = Role.STANDBY, reason
        if term is not None:
            self.ownership.stepped_down += 1
            self._region.telemetry.happened("stepped_down", detail=reason)
            _log.warning(
                "stepped_down", node=self._options.node_id, epoch=term.epoch, reason=reason
            )
            await term.abandon(reason)
            self._settling.add(term)
        await self._back_to_standby(reason)

    async def _hand_over(self, timeout_s: float) -> bool:
        if self._role is not Role.OWNER:
            return True
        finished = await self._end_term("another node takes over", timeout_s)
        await self._back_to_standby("left to another node")
        self._permit.give_back()
        _log.info("handed_over", node=self._options.node_id, finished=finished)
        return finished

    async def _end_term(self, reason: str, timeout_s: float) -> bool:
        """Finish the term while the lease is kept alive; tell whether all was finished in time."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        self._role, self._reason = Role.DRAINING, reason
        self._region.leave(reason)
        term, self._term = self._term, None
        if term is None:
            return True
        finished = await self._finish(term, deadline)
        await term.abandon(reason)
        self._settling.add(term)
        return finished

    async def _back_to_standby(self, reason: str) -> None:
        self._region.leave(reason)
        self._role, self._reason = Role.STANDBY, reason
        await self._release()
        self._tick_later()  # soon: who is the next owner, and where, callers want to know

    async def _release(self) -> None:
        try:
            await self._lease.release(self._holder)
        except LeaseUnavailable as error:
            self._watched_lease.failed(error)

    async def drain(self, timeout_s: float) -> bool:
        """Finish the term while the lease is kept alive, then give it up."""
        if self._timer is not None:
            self._timer.cancel()
        finished = await self._end_term("the node is stopping", timeout_s)
        # Also what a take-over that failed holds, or a try that was not answered may hold.
        self._holder = self._candidate or self._holder
        if self._holder.token:
            await self._release()
        self._role = Role.STOPPED
        self.actor_stopped.set()
        _log.info("drained", node=self._options.node_id, finished=finished)
        return finished

    async def _finish(self, term: Term, deadline: float) -> bool:
        renewing = asyncio.get_running_loop().create_task(self._renew_until_cancelled())
        try:
            return await term.finish(deadline)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew_until_cancelled(self) -> None:
        while True:
            await asyncio.sleep(self._options.lease_ttl_s / 3)
            await self._renew()
