"""A peer that takes nothing of what it is sent is told from one that is slow."""

from __future__ import annotations

import asyncio

from tests.virtual_time import in_virtual_time
from web.server.unread import UnreadWatch


@in_virtual_time
async def test_who_takes_nothing_is_noticed_in_time_and_once() -> None:
    loop = asyncio.get_running_loop()
    began, cut = loop.time(), list[float]()
    watch = UnreadWatch(loop, 30, lambda: 50_000, lambda: cut.append(loop.time() - began))
    watch.begin()
    await asyncio.sleep(100)
    assert cut == [30]


@in_virtual_time
async def test_who_takes_little_by_little_is_left_alone_until_he_stops() -> None:
    loop = asyncio.get_running_loop()
    unsent, cut = 100_000, list[float]()
    watch = UnreadWatch(loop, 30, lambda: unsent, lambda: cut.append(loop.time()))
    watch.begin()
    for _ in range(10):
        await asyncio.sleep(25)
        unsent -= 9_000
    assert not cut
    await asyncio.sleep(40)
    assert len(cut) == 1


@in_virtual_time
async def test_nobody_is_watched_any_more_once_it_is_sent() -> None:
    cut = list[int]()
    watch = UnreadWatch(asyncio.get_running_loop(), 30, lambda: 50_000, lambda: cut.append(1))
    watch.begin()
    watch.end()
    watch.end()
    await asyncio.sleep(100)
    assert not cut
