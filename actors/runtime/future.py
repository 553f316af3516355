"""A pykka future that can be awaited on the event loop and waited for from other threads."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import pykka

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType


T = TypeVar("T")
ExcInfo = tuple[type[BaseException] | None, BaseException | None, "TracebackType | None"]


class LoopFuture(pykka.Future[T]):
    """The reply to an `ask`.

    Await it on an event loop; `get` blocks, so it is for other threads and refuses to block
    a running loop. It is set once, by the actor.
    """

    _lock = threading.Lock()  # shared, for the few who block

    # Defaults on the class: making a future, once per message, then costs next to nothing.
    _get_hook: Callable[[float | None], T] | None = None
    _done = False
    _value: Any = None
    _error: BaseException | None = None
    _traceback: TracebackType | None = None
    _waiters: list[asyncio.Future[None]] | None = None
    _thread_waiter: threading.Event | None = None
    take_back: Callable[[], bool] | None = None
    """Takes the question back, for `withdraw`: set by the mailbox that it waits in."""

    def __init__(self) -> None:
        """Make an unanswered future; pykka's own fields are set by `set_get_hook`."""

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Compute the value when it is asked for; pykka's `map`, `filter`, `stop` do so."""
        if self._done:
            raise asyncio.InvalidStateError("this reply was given before")
        super().__init__()
        super().set_get_hook(func)

    def __repr__(self) -> str:
        return f"<LoopFuture {'done' if self._done else 'pending'}>"

    def done(self) -> bool:
        """Return whether the reply is there."""
        return self._done

    def withdraw(self) -> bool:
        """Take the question back; ``True`` means that no actor has seen it or ever will.

        On the actors' loop only.
        """
        return not self._done and self.take_back is not None and self.take_back()

    def set(self, value: T | None = None) -> None:
        """Answer with a value; raises `asyncio.InvalidStateError` when answered before."""
        self._set(value, None)

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Answer with an exception, the one being handled when none is given."""
        error = (exc_info or sys.exc_info())[1]
        self._set(None, error or RuntimeError("set_exception without an exception"))

    def set_error(self, error: BaseException) -> None:
        """Answer with this exception."""
        self._set(None, error)

    def _set(self, value: T | None, error: BaseException | None) -> None:
        if self._get_hook is not None or not self.settle(value, error):
            raise asyncio.InvalidStateError("this reply was given before")

    def settle(self, value: T | None, error: BaseException | None) -> bool:
        """Answer with a value or an exception; False, and nothing done, when answered before."""
        if self._done:
            return False
        self._value, self._error = value, error
        if error is not None:
            self._traceback = error.__traceback__
        # Last, and before the waiters are looked up: who adds itself later sees it.
        self._done = True
        self.take_back = None
        if self._thread_waiter is not None:
            self._thread_waiter.set()
        if self._waiters:
            for waiter in tuple(self._waiters):
                _wake(waiter)
        return True

    def get(self, *, timeout: float | None = None) -> T:
        """Block for at most `timeout` seconds and give the reply, or raise it.

        Raises:
            RuntimeError: called on a thread whose event loop runs, which it would block.
            pykka.Timeout: no reply in time; the question stays asked.

        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self._done:
            self._block(timeout)
        return self._result()

    def _block(self, timeout: float | None) -> None:
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 -- the public one raises
            raise RuntimeError("get() would block the event loop: await the future instead")
        with self._lock:  # two threads must not make one each
            if self._thread_waiter is None:
                self._thread_waiter = threading.Event()
            waiter = self._thread_waiter
        if self._done:
            return
        if not waiter.wait(timeout):
            raise pykka.Timeout(f"no reply within {timeout} s")

    def _result(self) -> T:
        if self._error is not None:
            # One error may answer thousands: each raise would add to the traceback of the last.
            raise self._error.with_traceback(self._traceback)
        return self._value  # type: ignore[no-any-return]

    def __await__(self) -> Generator[Any, None, T]:
        """Wait on the running loop, without blocking it."""
        if self._get_hook is not None:
            loop = asyncio.get_running_loop()
            # A derived future (map, filter, stop) computes by blocking: not on the loop.
            yield from loop.run_in_executor(None, self.get).__await__()
            return self.get()
        if not self._done:
            yield from self._arrival().__await__()
        return self._value if self._error is None else self._result()  # type: ignore[no-any-return]

    __iter__ = __await__

    async def within(self, seconds: float) -> T:
        """Wait for the reply, but not longer; on the way of every update, so with one timer.

        Raises:
            TimeoutError: no reply in time; the question stays asked.

        """
        if not self._done:
            waiter = self._arrival()
            timer = waiter.get_loop().call_later(seconds, _resolve, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
            if not self._done:
                raise TimeoutError
        return self._value if self._error is None else self._result()  # type: ignore[no-any-return]

    def _arrival(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # In one step: loops in two threads must not make a list each.
        self.__dict__.setdefault("_waiters", []).append(waiter)
        if self._done:  # meanwhile, by another thread
            _resolve(waiter)
        return waiter


def _wake(waiter: asyncio.Future[None]) -> None:
    loop = waiter.get_loop()
    if loop is asyncio._get_running_loop():  # noqa: SLF001 -- the public one raises
        if not waiter.done():
            waiter.set_result(None)
        return
    with suppress(RuntimeError):  # its loop is closed: nobody waits there any more
        loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
