"""The loop of tests: a connection that is being closed ends with it, an open one is told of."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest

from tests.event_loop import LoopOfTests


@pytest.mark.parametrize("closes", [True, False])
def test_what_is_being_closed_ends_with_the_loop_and_what_is_left_open_is_told_of(
    closes: bool,  # noqa: FBT001
) -> None:
    ours, peer = socket.socketpair()

    loop = LoopOfTests()

    async def write() -> None:
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        transport.write(bytes(10_000_000))  # more than a peer takes that reads nothing
        if closes:
            transport.close()

    with peer, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loop.run_until_complete(write())
        loop.close()
        gc.collect()
    unclosed = [str(each.message) for each in told if "unclosed transport" in str(each.message)]
    assert bool(unclosed) is not closes


async def test_time_that_is_skipped_is_over() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LoopOfTests)
    before = loop.time()
    waiting = asyncio.create_task(asyncio.sleep(3_600))
    await asyncio.sleep(0)
    loop.skip(3_600)
    await waiting
    assert loop.time() >= before + 3_600
