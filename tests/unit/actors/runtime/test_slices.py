"""Long work in slices."""

from __future__ import annotations

import asyncio

from actors.runtime.slices import SLICE, in_slices


async def test_others_have_their_turn_between_the_slices() -> None:
    done: list[int] = []
    seen: list[int] = []

    async def other() -> None:
        while len(done) < 10 * SLICE:
            seen.append(len(done))
            await asyncio.sleep(0)

    def make(number: int) -> int:
        done.append(number)
        return -number

    beside = asyncio.create_task(other())
    assert await in_slices(make, range(10 * SLICE)) == [-each for each in range(10 * SLICE)]
    await beside
    assert seen == list(range(SLICE, 10 * SLICE, SLICE))


async def test_nothing_is_nothing() -> None:
    assert await in_slices(str, []) == []
