"""A lease in a thread and an event loop of its own: it waits for nobody that serves callers."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

from actors.errors import LeaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from actors.lease.port import Holder, Lease, LeaseView

_Result = TypeVar("_Result")


class ThreadLease:
    """Call `lease` in its own thread, from `open` to `close`; its time limits run there.

    A cancelled call is cancelled there too.
    """

    def __init__(self, lease: Lease) -> None:
        self.name = lease.name
        self._lease = lease
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Start the thread and connect; raises `StartupError` when that fails."""
        self._loop = asyncio.new_event_loop()
        # As a daemon: a process that ends in bad order must not wait for it.
        self._thread = threading.Thread(
            target=_run, args=(self._loop,), name=f"{self.name}-lease", daemon=True
        )
        self._thread.start()
        try:
            await self._call(self._lease.open())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give all connections back and end the thread; does not release. Idempotent."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        try:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._lease.close(), loop))
        finally:
            loop.call_soon_threadsafe(loop.stop)
            await asyncio.to_thread(self._thread.join)

    async def acquire(self, holder: Holder) -> bool:
        """Take the lease if nobody holds it; tell whether `holder` has it now."""
        return await self._call(self._lease.acquire(holder))

    async def renew(self, holder: Holder) -> bool:
        """Extend by the TTL and store `holder` if its token has the lease."""
        return await self._call(self._lease.renew(holder))

    async def release(self, holder: Holder) -> bool:
        """Give the lease up if `holder`'s token has it; tell whether it had."""
        return await self._call(self._lease.release(holder))

    async def view(self) -> LeaseView | None:
        """Read the lease; None when nobody holds it."""
        return await self._call(self._lease.view())

    async def clear_stuck(self) -> int:
        """Remove a lease that has no expiry and no live holder; give how many were removed."""
        return await self._call(self._lease.clear_stuck())

    async def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        if self._loop is None:
            work.close()
            raise LeaseUnavailable(f"the {self.name} lease is not open")
        answer = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return await asyncio.wrap_future(answer)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
            raise LeaseUnavailable(f"the {self.name} lease was closed meanwhile") from None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run until stopped; what is cut off then ends before the thread does."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()
