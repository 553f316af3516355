"""A lease that is kept for a holder that is late, and for no longer than one TTL."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from actors.errors import LeaseUnavailable

if TYPE_CHECKING:
    from actors.lease.port import Holder, Lease, LeaseView

_log = structlog.get_logger(__name__)

_LATE: Final = 0.4
"""TTLs since its last call: an owner in good order renews every third of one."""
_AGAIN: Final = 0.1
"""TTLs until the next try, where the lease's server gave no answer."""


class KeptLease:
    """Renew `lease` in the place of a holder that holds it and is late.

    A holder that was not heard of for `ttl_s` hangs: nothing is renewed for it any more, and the
    lease ends `ttl_s` after the last renewal. What a holder asks goes to `lease` as it is, and
    while none is late nothing else does.
    """

    def __init__(self, lease: Lease, *, ttl_s: float) -> None:
        self.name = lease.name
        self._lease = lease
        self._ttl_s = ttl_s
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect; raises `StartupError` when the server can't be reached."""
        await self._lease.open()

    async def close(self) -> None:
        """Keep it no longer, and give all connections back; does not release. Idempotent."""
        await self._hear()
        await self._lease.close()

    async def acquire(self, holder: Holder) -> bool:
        """Take the lease if nobody holds it; from then on it is kept for `holder`."""
        await self._hear()
        taken = await self._lease.acquire(holder)
        if taken:
            self._look_later(_LATE, holder)
        return taken

    async def renew(self, holder: Holder) -> bool:
        """Extend by the TTL; the lease is kept for `holder` unless another has it."""
        await self._hear()
        kept: bool | None = None
        try:
            kept = await self._lease.renew(holder)
        finally:
            if kept is not False:
                self._look_later(_LATE, holder)
        return kept

    async def release(self, holder: Holder) -> bool:
        """Keep the lease no longer, then give it up; no renewal comes after that."""
        await self._hear()
        return await self._lease.release(holder)

    async def view(self) -> LeaseView | None:
        """Read the lease; None when nobody holds it."""
        return await self._lease.view()

    async def clear_stuck(self) -> int:
        """Remove a lease that has no expiry and no live holder; give how many were removed."""
        return await self._lease.clear_stuck()

    async def _hear(self) -> None:
        """Note that the holder is there: nothing is renewed for it now, nor under way any more."""
        self._heard_at = time.monotonic()
        if self._renewal is not None:
            await asyncio.wait({self._renewal})
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self, ttls: float, holder: Holder) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(ttls * self._ttl_s, self._look, holder)

    def _look(self, holder: Holder) -> None:
        silent_s = time.monotonic() - self._heard_at
        if silent_s > self._ttl_s:
            _log.error("lease_holder_hangs", node=holder.node, silent_s=round(silent_s, 3))
            return
        self._renewal = asyncio.get_running_loop().create_task(self._renew_for(holder, silent_s))

    async def _renew_for(self, holder: Holder, silent_s: float) -> None:
        try:
            kept = await self._lease.renew(holder)
        except LeaseUnavailable:
            # The holder hears of it by its own next call.
            self._look_later(_AGAIN, holder)
            return
        if kept:
            _log.warning("lease_kept", node=holder.node, silent_s=round(silent_s, 3))
            self._look_later(_LATE, holder)
