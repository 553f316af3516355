"""The Lease port over a simulated server that forgets, stalls and drops replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.errors import LeaseUnavailable
from actors.lease.port import LeaseView

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from actors.lease.port import Holder
    from tests.sim.faults import Faults
    from tests.sim.loop import Process, SimLoop


@dataclass(slots=True)
class LeaseServer:
    """The key and its expiry, as the Redis adapter's scripts treat them."""

    loop: SimLoop
    faults: Faults
    ttl_s: float
    holder: Holder | None = None
    expires_at: float = 0.0
    down: bool = False

    def current(self) -> Holder | None:
        """Return who holds the lease now."""
        if self.holder is not None and self.expires_at <= self.loop.time():
            self.holder = None
        return self.holder

    def hold(self, holder: Holder) -> bool:
        """Take or extend the lease, unless another token has it."""
        current = self.current()
        if current is not None and current.token != holder.token:
            return False
        self.holder, self.expires_at = holder, self.loop.time() + self.ttl_s
        return True

    def release(self, holder: Holder) -> bool:
        """Give the lease up, if it is this token's."""
        current = self.current()
        if current is None or current.token != holder.token:
            return False
        self.holder = None
        return True

    def view(self) -> LeaseView | None:
        """Read the lease."""
        current = self.current()
        return LeaseView(current, self.expires_at - self.loop.time()) if current else None


class SimLease:
    """Implements `actors.lease.port.Lease` for one process."""

    name = "redis"

    def __init__(self, server: LeaseServer, process: Process) -> None:
        self._server, self._process = server, process
        self._is_open = False

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    async def acquire(self, holder: Holder) -> bool:
        return await self._run(lambda: self._server.hold(holder))  # type: ignore[no-any-return]

    async def renew(self, holder: Holder) -> bool:
        return await self._run(lambda: self._server.hold(holder))  # type: ignore[no-any-return]

    async def release(self, holder: Holder) -> bool:
        return await self._run(lambda: self._server.release(holder))  # type: ignore[no-any-return]

    async def view(self) -> LeaseView | None:
        return await self._run(self._server.view)  # type: ignore[no-any-return]

    async def clear_stuck(self) -> int:
        return 0

    async def _run(self, step: Callable[[], Any]) -> Any:  # noqa: ANN401 -- what the step gives
        if not self._is_open:
            raise LeaseUnavailable("it is not open")
        return await self._ask(step)

    async def _ask(self, step: Callable[[], Any]) -> Any:  # noqa: ANN401 -- what the step gives
        server, loop = self._server, self._server.loop
        faults = server.faults
        reply: asyncio.Future[Any] = loop.create_future()
        wrong = faults.chance(faults.lease_rate)
        if wrong:
            faults.note("lease: no answer", hit=True)
        carried_out = not (wrong and faults.random.random() < 0.5)

        def arrive() -> None:
            if server.down:
                return
            answer = step() if carried_out else None
            if not wrong:
                loop.outside(faults.random.uniform(0.0005, 0.004), give, answer)

        def give(answer: object) -> None:
            if not reply.done():
                reply.set_result((True, answer))

        def give_up() -> None:
            if not reply.done():
                reply.set_result((False, None))

        loop.outside(faults.random.uniform(0.0005, 0.004), arrive)
        timer = loop.call_later(server.ttl_s / 5, give_up)
        try:
            answered, answer = await reply
        finally:
            timer.cancel()
        if not answered:
            raise LeaseUnavailable("no answer in time")
        return answer
