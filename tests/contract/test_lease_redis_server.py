"""The Redis lease against servers that die, hang, refuse and forget, and its address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from actors.errors import LeaseUnavailable, StartupError
from actors.lease.redis import RedisAddress, RedisLease
from tests.contract.test_lease_redis import TTL_S, a_holder, opened
from tests.event_loop import LoopOfTests
from tests.servers import RedisServer, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from pathlib import Path

    from actors.lease import Holder

CANARY = "cAnArY-pass"
CALL_S = 100
"""Which no call takes on a slow machine; it is skipped where nobody answers."""


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Return a Redis that the test may harm."""
    with RedisServer(tmp_path, password=CANARY) as server:
        yield server


@pytest.fixture
async def doomed(own_server: RedisServer) -> AsyncIterator[RedisLease]:
    """Open a lease on `own_server` whose calls have `CALL_S` each."""
    async with opened(RedisLease(own_server.uri, ttl_s=5 * CALL_S)) as lease:
        yield lease


async def test_an_owner_whose_redis_was_flushed_keeps_the_lease_when_nobody_took_it(
    doomed: RedisLease, own_server: RedisServer
) -> None:
    holder = a_holder()
    await doomed.acquire(holder)
    async with Redis.from_url(own_server.uri) as client:
        await client.flushall()
        # With the scripts that the server had seen.
        await client.script_flush()

    assert await doomed.renew(holder)

    assert not await doomed.acquire(a_holder())


async def test_a_killed_redis_is_no_answer_until_it_is_back(
    doomed: RedisLease, own_server: RedisServer
) -> None:
    holder = a_holder()
    await doomed.acquire(holder)
    await asyncio.to_thread(own_server.kill)

    await every_call_ends_without_an_answer(doomed, holder)

    await asyncio.to_thread(own_server.start)
    # It lost its data with the lease or not: either way nobody else has it.
    assert await doomed.renew(holder)


async def test_a_paused_redis_is_no_answer_until_it_goes_on(
    doomed: RedisLease, own_server: RedisServer
) -> None:
    holder = a_holder()
    await doomed.acquire(holder)
    own_server.pause()

    await every_call_ends_without_an_answer(doomed, holder)

    own_server.resume()
    assert await doomed.renew(holder)


async def every_call_ends_without_an_answer(lease: RedisLease, holder: Holder) -> None:
    for call in (lease.view, lease.clear_stuck):
        await ends_without_an_answer(call())
    for action in (lease.acquire, lease.renew):
        await ends_without_an_answer(action(holder))


async def ends_without_an_answer(call: Coroutine[Any, Any, object]) -> None:
    """Have a call's time be over once it has begun."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    asked = asyncio.create_task(call)
    await asyncio.wait([asked], timeout=0.02)  # on its way, or refused by now
    loop.skip(CALL_S)
    with pytest.raises(LeaseUnavailable):
        await asked


async def test_an_acquisition_without_an_answer_is_found_with_its_own_token(
    doomed: RedisLease, own_server: RedisServer
) -> None:
    holder = a_holder()
    own_server.pause()
    await ends_without_an_answer(doomed.acquire(holder))
    own_server.resume()

    assert await doomed.acquire(holder)


async def test_a_caller_that_gives_up_is_free_at_once_and_the_lease_usable(
    own_server: RedisServer,
) -> None:
    # So long that only the caller can have ended a call.
    async with opened(RedisLease(own_server.uri, ttl_s=6000)) as lease:
        holder = a_holder()
        await lease.acquire(holder)
        own_server.pause()
        # From the first step of connecting to waiting for the answer.
        for steps in range(12):
            call = asyncio.create_task(lease.renew(holder))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call], timeout=100)
            assert call.cancelled()
        own_server.resume()

        view = await lease.view()

        assert view is not None
        assert view.holder == holder


async def test_a_read_only_redis_is_no_answer(doomed: RedisLease, own_server: RedisServer) -> None:
    async with Redis.from_url(own_server.uri) as client:
        await client.replicaof("127.0.0.1", str(free_port()))

    with pytest.raises(LeaseUnavailable, match="READONLY"):
        await doomed.acquire(a_holder())


async def test_the_address_can_be_given_in_parts(own_server: RedisServer) -> None:
    address = RedisAddress(own_server.host, own_server.port, db=3, password=CANARY)
    async with (
        opened(RedisLease(address, ttl_s=TTL_S, key_prefix="p:")) as lease,
        Redis(host=own_server.host, port=own_server.port, db=3, password=CANARY) as client,
    ):
        await lease.acquire(a_holder())

        assert await client.exists("p:lease")

        assert CANARY not in repr(address)
        assert CANARY not in repr(lease)


async def test_a_url_cannot_make_a_call_last_longer(own_server: RedisServer) -> None:
    url = f"{own_server.uri}?socket_timeout=600&retry_on_timeout=yes"
    async with opened(RedisLease(url, ttl_s=5 * CALL_S)) as lease:
        own_server.pause()

        await ends_without_an_answer(lease.view())


@pytest.mark.parametrize("password", [None, "wrong-" + CANARY])
async def test_a_wrong_password_is_told_at_the_start_without_the_password(
    own_server: RedisServer, password: str | None
) -> None:
    address = RedisAddress(host=own_server.host, port=own_server.port, password=password)

    await start_fails(address, f"{own_server.host}:{own_server.port}")


async def test_a_server_that_quotes_the_password_is_not_quoted(tmp_path: Path) -> None:
    async def quote(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(f"-ERR unknown command `AUTH`, with args: `{CANARY}`\r\n".encode())
        await reader.read()
        writer.close()

    socket = tmp_path / "socket"
    async with await asyncio.start_unix_server(quote, socket):
        await start_fails(f"unix://:{CANARY}@{socket}", f"{socket} can't be used: unknown command")


async def test_a_server_that_is_not_there_is_told_at_the_start() -> None:
    port = free_port()

    await start_fails(RedisAddress(port=port, password=CANARY), f"localhost:{port}")


async def test_a_database_that_is_not_there_is_told_at_the_start(own_server: RedisServer) -> None:
    await start_fails(f"{own_server.uri[:-1]}99999", "DB index is out of range")


async def test_an_option_nobody_knows_is_told_at_the_start(own_server: RedisServer) -> None:
    await start_fails(f"{own_server.uri}?colour=red", "colour")


async def start_fails(server: str | RedisAddress, naming: str) -> None:
    lease = RedisLease(server, ttl_s=TTL_S)
    with pytest.raises(StartupError) as caught:
        await lease.open()
    told = str(caught.value)
    assert naming in told
    assert "\n" not in told
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in str(error)
        error = error.__cause__
    with pytest.raises(LeaseUnavailable):
        await lease.view()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        f"redis://:{CANARY}#x@127.0.0.1:6379/0",
        f"redis://user:6379/{CANARY}@127.0.0.1/0",
        f"redis://user:6379?{CANARY}@127.0.0.1/0",
        f"redis://:{CANARY}@127.0.0.1:6379/plan",
        f"redis://:{CANARY}@127.0.0.1:port/0",
        f"redis://:{CANARY}@127.0.0.1:6379?db=plan",
        "redis://[::1",
    ],
)
def test_a_url_that_cannot_be_meant_is_told_without_quoting_it(url: str) -> None:
    with pytest.raises(StartupError) as caught:
        RedisLease(url, ttl_s=TTL_S)

    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_busy_server_has_more_time_at_the_start_than_for_a_renewal(
    own_server: RedisServer,
) -> None:
    lease = RedisLease(own_server.uri, ttl_s=1)
    own_server.pause()
    opening = asyncio.create_task(lease.open())
    await asyncio.wait([opening], timeout=0.5)  # a renewal has 0.2 s
    own_server.resume()
    await opening
    await lease.close()
