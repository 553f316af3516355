"""A lease in a thread of its own goes on while the loop that asked it stands still."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from actors.errors import LeaseUnavailable, StartupError
from actors.lease import Holder, LeaseView
from actors.lease.kept import KeptLease
from actors.lease.thread import ThreadLease
from tests.fake_lease import LeaseServer, MemoryLease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOLDER = Holder("a", "http://a", "token-a")
LATE_S = 60.0
"""Only a hang waits as long."""


class WatchedLease(MemoryLease):
    """Tells another thread when it was renewed; may hang, or not open."""

    def __init__(self, ttl_s: float) -> None:
        super().__init__(LeaseServer(ttl_s))
        self.renewed = threading.Event()
        self.opens = True
        self.hung = asyncio.Event()
        self.left: list[str] = []

    async def open(self) -> None:
        if not self.opens:
            raise StartupError("not there")
        await super().open()

    async def renew(self, holder: Holder) -> bool:
        kept = await super().renew(holder)
        self.renewed.set()
        return kept

    async def view(self) -> LeaseView | None:
        self.hung.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.append("view")
        raise AssertionError


@pytest.fixture
def inner() -> WatchedLease:
    return WatchedLease(LATE_S)


@pytest.fixture
async def lease(inner: WatchedLease) -> AsyncIterator[ThreadLease]:
    lease = ThreadLease(inner)
    await lease.open()
    yield lease
    await lease.close()


def threads() -> int:
    return sum(each.name == "memory-lease" for each in threading.enumerate())


async def test_it_is_renewed_while_the_holder_s_loop_is_blocked(
    inner: WatchedLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.lease.kept._LATE", 0.001)
    lease = ThreadLease(KeptLease(inner, ttl_s=LATE_S))
    await lease.open()
    assert await lease.acquire(HOLDER)
    assert inner.renewed.wait(LATE_S), "this blocks the loop"
    await lease.close()


async def test_the_thread_ends_with_it_and_with_an_open_that_fails(inner: WatchedLease) -> None:
    inner.opens = False
    lease = ThreadLease(inner)
    with pytest.raises(StartupError):
        await lease.open()
    assert threads() == 0
    inner.opens = True
    await lease.open()
    assert threads() == 1
    await asyncio.gather(lease.close(), lease.close())
    assert threads() == 0


async def test_a_call_under_way_when_it_is_closed_is_no_answer(
    lease: ThreadLease, inner: WatchedLease
) -> None:
    asking = asyncio.create_task(lease.view())
    await until_hung(inner)
    await lease.close()
    with pytest.raises(LeaseUnavailable, match="closed"):
        await asking


async def test_a_cancelled_call_is_cancelled_in_the_thread_too(
    lease: ThreadLease, inner: WatchedLease
) -> None:
    asking = asyncio.create_task(lease.view())
    await until_hung(inner)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await lease.close()
    assert inner.left == ["view"]


async def until_hung(inner: WatchedLease) -> None:
    async with asyncio.timeout(LATE_S):
        while not inner.hung.is_set():  # noqa: ASYNC110 -- set in another loop
            await asyncio.sleep(0.001)
