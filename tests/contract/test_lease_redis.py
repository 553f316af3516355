"""The Redis lease as a key: how it expires, and what others do to it."""

from __future__ import annotations

import asyncio
import re
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from actors.lease import Holder
from actors.lease.redis import RedisLease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers import RedisServer

TTL_S = 30.0
CANARY = "cAnArY-pass"
FOREIGN = [b"", b"somebody", b"{", b"[]", b"null", b'{"node": "x"}', b'{"token": null}', b"\xff"]


def a_holder(node: str = "a") -> Holder:
    return Holder(node=node, url=f"http://127.0.0.1/{node}", token=uuid.uuid4().hex)


@asynccontextmanager
async def opened(lease: RedisLease) -> AsyncIterator[RedisLease]:
    await lease.open()
    try:
        yield lease
    finally:
        await lease.close()


@pytest.fixture
async def lease(redis_server: RedisServer, key_prefix: str) -> AsyncIterator[RedisLease]:
    async with opened(RedisLease(redis_server.uri, ttl_s=TTL_S, key_prefix=key_prefix)) as lease:
        yield lease


@pytest.fixture
async def client(redis_server: RedisServer, key_prefix: str) -> AsyncIterator[Redis]:
    """Return what others do to the same Redis; the prefix's keys go before it does."""
    del key_prefix
    async with Redis.from_url(redis_server.uri) as client:
        yield client


@pytest.fixture
def key(key_prefix: str) -> str:
    return f"{key_prefix}lease"


async def until_free(lease: RedisLease) -> None:
    async with asyncio.timeout(100):
        while await lease.view() is not None:  # noqa: ASYNC110 - Redis's clock sets no event
            await asyncio.sleep(0.05)


async def test_a_lease_that_nobody_renews_ends_by_itself(
    lease: RedisLease, client: Redis, key: str
) -> None:
    await lease.acquire(a_holder())
    view = await lease.view()
    assert view is not None
    assert view.ttl_s is not None
    assert 0 <= view.ttl_s <= TTL_S
    assert not await lease.acquire(a_holder())

    await client.pexpire(key, 1)  # the end of its time
    await until_free(lease)

    assert await lease.acquire(a_holder())


async def test_renewing_gives_the_full_time_again(
    lease: RedisLease, client: Redis, key: str
) -> None:
    holder = a_holder()
    await lease.acquire(holder)
    await client.pexpire(key, 1000)

    assert await lease.renew(holder)

    assert await client.pttl(key) > 1000


async def test_renewing_restores_an_expiry_that_was_taken_away(
    lease: RedisLease, client: Redis, key: str
) -> None:
    holder = a_holder()
    await lease.acquire(holder)
    await client.persist(key)

    assert await lease.renew(holder)

    assert await client.pttl(key) > 0


async def test_an_owner_whose_lease_was_flushed_loses_it_to_the_one_who_took_it(
    lease: RedisLease, client: Redis, key: str
) -> None:
    old, new = a_holder("a"), a_holder("b")
    await lease.acquire(old)
    await client.delete(key)
    assert await lease.acquire(new)

    assert not await lease.renew(old)

    view = await lease.view()
    assert view is not None
    assert view.holder == new


@pytest.mark.parametrize("value", FOREIGN)
async def test_a_foreign_value_counts_as_held_and_is_never_broken(
    lease: RedisLease, client: Redis, key: str, value: bytes
) -> None:
    await client.set(key, value, px=600_000)
    holder = a_holder()

    assert not await lease.acquire(holder)
    assert not await lease.renew(holder)
    assert not await lease.release(holder)
    assert await lease.clear_stuck() == 0

    view = await lease.view()
    assert view is not None
    assert view.holder.node == "unknown"
    assert view.fault is not None
    assert f"the Redis key {key} holds something else than a lease" in view.fault
    assert await client.get(key) == value
    assert await client.pttl(key) > 0


async def test_a_key_that_is_no_string_counts_as_held_and_is_left_alone(
    lease: RedisLease, client: Redis, key: str
) -> None:
    await client.sadd(key, "somebody's")

    assert not await lease.acquire(a_holder())
    assert await lease.clear_stuck() == 0

    view = await lease.view()
    assert view is not None
    assert view.holder.node == "unknown"
    assert view.fault is not None
    assert f"the Redis key {key} holds something else than a lease" in view.fault
    assert await client.smembers(key) == {b"somebody's"}


@pytest.mark.parametrize("value", [None, b"somebody"])
async def test_a_key_without_expiry_that_nobody_renews_is_cleared(
    lease: RedisLease,
    client: Redis,
    key: str,
    value: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if value is None:
        await lease.acquire(a_holder())
        await client.persist(key)
    else:
        await client.set(key, value)
    view = await lease.view()
    assert view is not None
    assert view.ttl_s is None
    waits: list[float] = []

    async def renew_nothing(wait_s: float) -> None:
        waits.append(wait_s)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(asyncio, "sleep", renew_nothing)
        assert await lease.clear_stuck() == 1

    assert waits[0] > TTL_S / 3
    assert await lease.view() is None


async def test_a_key_without_expiry_whose_owner_renews_is_not_cleared(
    lease: RedisLease, client: Redis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = a_holder()
    await lease.acquire(holder)
    await client.persist(key)

    async def renew_meanwhile(wait_s: float) -> None:
        assert wait_s > TTL_S / 3
        assert await lease.renew(holder)

    monkeypatch.setattr(asyncio, "sleep", renew_meanwhile)

    assert await lease.clear_stuck() == 0

    view = await lease.view()
    assert view is not None
    assert view.holder == holder


async def test_a_key_without_expiry_that_changed_hands_is_not_cleared(
    lease: RedisLease, client: Redis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.set(key, b"one")

    async def replace_meanwhile(_: float) -> None:
        await client.set(key, b"another")

    monkeypatch.setattr(asyncio, "sleep", replace_meanwhile)

    assert await lease.clear_stuck() == 0

    assert await client.get(key) == b"another"


@pytest.mark.parametrize("expiry_ms", [3_600_000, None], ids=["clock set back", "no expiry"])
@pytest.mark.parametrize("alive", [False, True], ids=["dead owner", "live owner"])
async def test_a_lease_that_outlasts_its_ttl_goes_to_who_waits_unless_it_is_renewed(
    redis_server: RedisServer,
    key_prefix: str,
    lease: RedisLease,
    client: Redis,
    key: str,
    expiry_ms: int | None,
    *,
    alive: bool,
) -> None:
    owner, waiting, now = a_holder("owner"), a_holder("waiting"), [0.0]
    await lease.acquire(owner)

    async def clock_jumps() -> None:
        await (client.pexpire(key, expiry_ms) if expiry_ms else client.persist(key))

    async with opened(
        RedisLease(redis_server.uri, ttl_s=TTL_S, key_prefix=key_prefix, clock=lambda: now[0])
    ) as standby:
        await clock_jumps()
        assert not await standby.acquire(waiting)
        now[0] = 1.4 * TTL_S
        assert not await standby.acquire(waiting)
        seen = await standby.view()
        assert seen is not None
        assert seen.note is not None
        assert re.fullmatch(
            r"the lease of owner does not expire by Redis' clock"
            r" \((it has no expiry|3\d\d\d s are left)\); nobody renewed it for 42 s;"
            r" after 45 s without a renewal it is taken over",
            seen.note,
        )
        if alive:
            await lease.renew(owner)
            assert not await standby.acquire(waiting)
            # A second jump is timed anew.
            await clock_jumps()
        now[0] = 1.6 * TTL_S

        assert await standby.acquire(waiting) is not alive

        view = await standby.view()
        assert view is not None
        assert view.holder == (owner if alive else waiting)
        if not alive:
            assert view.note is not None
            assert re.fullmatch(
                r"the lease of owner did not expire by Redis' clock; nobody renewed it for 48 s;"
                r" taken over at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                view.note,
            )
            assert await standby.renew(replace(waiting, epoch=7))
            told = await standby.view()
            assert told is not None
            assert told.note == view.note, "as long as it is the owner"
            assert view.ttl_s is not None
            assert view.ttl_s <= TTL_S
            assert not await lease.renew(owner)


async def test_a_foreign_value_that_outlasts_a_ttl_is_not_taken_over(
    redis_server: RedisServer, key_prefix: str, client: Redis, key: str
) -> None:
    now = [0.0]
    await client.set(key, b"somebody", px=3_600_000)
    async with opened(
        RedisLease(redis_server.uri, ttl_s=TTL_S, key_prefix=key_prefix, clock=lambda: now[0])
    ) as standby:
        assert not await standby.acquire(a_holder())
        now[0] = 10 * TTL_S
        assert not await standby.acquire(a_holder())
    assert await client.get(key) == b"somebody"
