"""An event loop whose clock jumps to the next timer when nothing is left to do.

Seconds of back-off, deadlines and leases then take no time, and always the same. A program
in which everything waits for ever fails at once.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from typing import TYPE_CHECKING, ParamSpec
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

P = ParamSpec("P")

_OTHER_THREADS_S = 60.0


class Stuck(Exception):
    """All tasks wait, no timer is set, and no thread is heard of."""


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    """Wait for nothing but other threads: where asyncio would sleep, move the clock."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None:
            self._clock.now += timeout
            return []
        ready = super().select(_OTHER_THREADS_S)
        if not ready:
            raise Stuck
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: _Clock) -> None:
        super().__init__(_JumpingSelector(clock))
        self.clock = clock


def stall(seconds: float) -> None:
    """Hold the running loop for so long, as work does that never waits."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)
    loop.clock.now += seconds


def run_in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end; `time.monotonic` is the loop's clock meanwhile."""
    clock = _Clock()

    def new_loop() -> asyncio.AbstractEventLoop:
        return _Loop(clock)

    with (
        mock.patch("time.monotonic", clock.monotonic),
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        runner.run(work)


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make an asynchronous test one that runs on a loop of its own, in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_in_virtual_time(test(*args, **kwargs))

    return run
