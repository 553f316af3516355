"""A lease that is kept for a holder that is late: for one TTL, and never against it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from actors.errors import LeaseUnavailable
from actors.lease import Holder
from actors.lease.kept import KeptLease
from tests.fake_lease import LeaseServer, MemoryLease
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TTL_S = 10.0
HOLDER = Holder("a", "http://a", "token-a")
OTHER = Holder("b", "http://b", "token-b")


@dataclass
class CountingLease(MemoryLease):
    """Notes who was renewed."""

    renewed: list[Holder] = field(default_factory=list)

    async def renew(self, holder: Holder) -> bool:
        self.renewed.append(holder)
        return await super().renew(holder)


@dataclass
class Place:
    """One node's lease, kept, and the server it is on."""

    server: LeaseServer
    plain: CountingLease
    kept: KeptLease


@asynccontextmanager
async def a_place() -> AsyncIterator[Place]:
    server = LeaseServer(TTL_S)
    plain = CountingLease(server)
    kept = KeptLease(plain, ttl_s=TTL_S)
    await kept.open()
    try:
        yield Place(server, plain, kept)
    finally:
        await kept.close()


@in_virtual_time
async def test_a_holder_that_is_late_keeps_its_lease_for_a_ttl_and_loses_it_after_two() -> None:
    async with a_place() as place:
        assert await place.kept.acquire(HOLDER)
        await asyncio.sleep(1.3 * TTL_S)
        assert place.server.held() == HOLDER
        await asyncio.sleep(0.7 * TTL_S)
        assert place.server.held() is None
        renewals = len(place.plain.renewed)
        await asyncio.sleep(10 * TTL_S)
        assert len(place.plain.renewed) == renewals


@in_virtual_time
async def test_a_holder_that_comes_back_is_kept_again_as_it_is_now() -> None:
    async with a_place() as place:
        await place.kept.acquire(HOLDER)
        now = replace(HOLDER, epoch=7)
        for _ in range(5):
            await asyncio.sleep(0.9 * TTL_S)
            assert await place.kept.renew(now)
        await asyncio.sleep(0.9 * TTL_S)
        assert place.server.held() == now


@in_virtual_time
async def test_nothing_is_renewed_for_a_holder_that_is_in_time() -> None:
    async with a_place() as place:
        await place.kept.acquire(HOLDER)
        for _ in range(10):
            await asyncio.sleep(TTL_S / 3)
            await place.kept.renew(HOLDER)
        assert len(place.plain.renewed) == 10


@in_virtual_time
async def test_a_lease_that_another_took_is_kept_no_more() -> None:
    async with a_place() as place:
        await place.kept.acquire(HOLDER)
        place.server.give(OTHER)
        await asyncio.sleep(0.5 * TTL_S)
        assert place.plain.renewed == [HOLDER]
        await asyncio.sleep(TTL_S)
        assert place.plain.renewed == [HOLDER]
        place.server.give(OTHER)
        assert not await place.kept.renew(HOLDER)
        assert place.server.held() == OTHER


@in_virtual_time
async def test_a_standby_keeps_nothing() -> None:
    async with a_place() as place:
        place.server.give(OTHER)
        assert not await place.kept.acquire(HOLDER)
        await asyncio.sleep(TTL_S)
        assert place.plain.renewed == []


@pytest.mark.parametrize("end", ["release", "close"])
@in_virtual_time
async def test_what_is_given_up_is_renewed_no_more(end: str) -> None:
    async with a_place() as place:
        await place.kept.acquire(HOLDER)
        # At once, and while a renewal is under way: it comes before the end, or never.
        for wait_s in (0.0, 0.4 * TTL_S + 1):
            place.server.takes_s = 2 if wait_s else 0
            await place.kept.acquire(HOLDER)
            await asyncio.sleep(wait_s)
            await (place.kept.release(HOLDER) if end == "release" else place.kept.close())
            renewals = len(place.plain.renewed)
            if end == "release":
                assert place.server.held() is None
            await asyncio.sleep(TTL_S)
            assert len(place.plain.renewed) == renewals
            await place.kept.open()


@pytest.mark.parametrize("asked_by_holder", [True, False])
@in_virtual_time
async def test_a_server_without_an_answer_is_asked_again_soon(*, asked_by_holder: bool) -> None:
    async with a_place() as place:
        await place.kept.acquire(HOLDER)
        place.server.reachable = False
        if asked_by_holder:
            with suppress(LeaseUnavailable):
                await place.kept.renew(HOLDER)
        await asyncio.sleep(0.45 * TTL_S)
        place.server.reachable = True
        await asyncio.sleep(0.15 * TTL_S)
        assert place.server.left_s > 0.8 * TTL_S
