"""An event loop with virtual time, on which whole processes can be stopped, paused and killed.

Nothing here waits: when no callback is ready, time jumps to the next timer. Each callback
belongs to the `Process` in whose context it was scheduled.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from random import Random

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
_OUTSIDE = contextvars.Context()


class Stuck(Exception):
    """Nothing is ready and no timer is set, but what was waited for has not come."""


class Process:
    """What a kill or a pause hits: all callbacks that began in its context."""

    def __init__(self, name: str, loop: SimLoop) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        self.steps = 0
        """Callbacks run so far: where between two awaits a process is."""
        self.at_step: tuple[int, Callable[[], None]] | None = None
        """What to do once that many callbacks have run."""
        self._loop = loop
        self._held: list[asyncio.Handle] = []
        self.context = _OUTSIDE.copy()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return f"<Process {self.name}>"

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a coroutine inside the process."""
        return self._loop.create_task(work, context=self.context)

    def kill(self) -> None:
        """Run nothing of it any more, not even what is to be run at its end."""
        self.alive = False
        self._held.clear()

    def pause(self) -> None:
        """Run nothing of it until `resume`."""
        self.paused = True

    def resume(self) -> None:
        """Go on, with all that became due meanwhile."""
        self.paused = False
        held, self._held = self._held, []
        self._loop.ready_again(held)

    def hold(self, handle: asyncio.Handle) -> None:
        """Keep a callback until `resume`."""
        self._held.append(handle)


class SimTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- asyncio's
        self._number = number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class SimLoop:
    """Runs callbacks in the order in which they became ready, or in a seeded one."""

    def __init__(self, shuffle: Random | None) -> None:
        # All that asyncio asks of a loop here; sockets, signals and threads it never asks for.
        self._self = cast("asyncio.AbstractEventLoop", self)
        self._now = 0.0
        self._shuffle = shuffle
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = itertools.count()
        self._closed = False
        self.steps = 0
        self.everything: list[SimTask] = []
        """All tasks ever made: a killed one must not be collected, which would run its end."""
        self.errors: list[dict[str, Any]] = []

    # -- what asyncio asks of a loop ------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Take nothing more, so that what is collected from now on stays without effect."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        self.everything.clear()

    def call_soon(
        self,
        callback: Callable[..., Any],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._self, context)
        if not self._closed:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self._self, context)
        if not self._closed:
            heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Let cancelled timers be skipped when they are due."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        number = next(self._count)
        task = SimTask(number, coro, loop=self._self, name=name or "t", context=context)
        self.everything.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody caught, for the report."""
        self.errors.append(context)

    # -- running --------------------------------------------------------------------------------

    def outside(self, delay: float, callback: Callable[..., Any], *args: object) -> None:
        """Call back after `delay` seconds, whatever becomes of the process that asks for it."""
        self.call_later(delay, callback, *args, context=_OUTSIDE)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a coroutine that belongs to no process."""
        return self.create_task(work, context=_OUTSIDE.copy())

    def ready_again(self, handles: list[asyncio.Handle]) -> None:
        """Put back what was held."""
        self._ready.extend(handles)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 -- what `work` returns
        """Run until `work` is done; raises `Stuck` when it never will be."""
        before = asyncio._get_running_loop()  # noqa: SLF001 -- as asyncio's own loops do
        asyncio._set_running_loop(self._self)  # noqa: SLF001
        try:
            task = self.start(work)
            while not task.done():
                self._turn()
            return task.result()
        finally:
            asyncio._set_running_loop(before)  # noqa: SLF001

    def _turn(self) -> None:
        if not self._ready:
            self._jump()
        handle = self._next()
        if not handle.cancelled() and self._may_run(handle):
            self.steps += 1
            handle._run()  # noqa: SLF001 -- as asyncio's own loops do

    def _next(self) -> asyncio.Handle:
        if self._shuffle is None:
            return self._ready.popleft()
        chosen = int(self._shuffle.random() * len(self._ready))
        self._ready[chosen], self._ready[-1] = self._ready[-1], self._ready[chosen]
        return self._ready.pop()

    def _may_run(self, handle: asyncio.Handle) -> bool:
        """Ask the process that the callback belongs to; hold what comes while it is paused."""
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001
        if process is None:
            return True
        if process.alive and not process.paused:
            process.steps += 1
            if process.at_step is not None and process.steps >= process.at_step[0]:
                (_, act), process.at_step = process.at_step, None
                act()
        if process.alive and process.paused:
            process.hold(handle)
        return process.alive and not process.paused

    def _jump(self) -> None:
        """Go to the next timers that are due, all of that moment."""
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer.cancelled():
                continue
            self._now = max(self._now, when)
            self._ready.append(timer)
            while self._timers and self._timers[0][0] <= self._now:
                self._ready.append(heapq.heappop(self._timers)[2])
            return
        raise Stuck(f"nothing will ever happen again after {self._now:.3f} s")
