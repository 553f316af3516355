"""Crews end when they are closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.chaos.crew import Crew
from tests.virtual_time import in_virtual_time


class _Losing(Crew):
    """Its one task loses two cancellations."""

    lost = 0

    def start(self) -> None:
        self._begin(self._work())

    async def _work(self) -> None:
        while self.lost < 2:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
            self.lost += 1
        await asyncio.sleep(100)


@in_virtual_time
async def test_a_crew_ends_though_a_cancellation_is_lost() -> None:
    crew = _Losing([])
    crew.start()
    await asyncio.sleep(0)
    await crew.close()
    assert crew.lost == 2
