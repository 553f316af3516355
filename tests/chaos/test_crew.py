"""Crews end when they are closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.chaos.crew import Crew
from tests.virtual_time import in_virtual_time


@in_virtual_time
async def test_a_crew_ends_though_a_cancellation_is_lost() -> None:
    crew = Crew([])
    lost = 0

    async def lose_two() -> None:
        nonlocal lost
        while lost < 2:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
            lost += 1
        await asyncio.sleep(100)

    crew._begin(lose_two())
    await asyncio.sleep(0)
    await crew.close()
    assert lost == 2
