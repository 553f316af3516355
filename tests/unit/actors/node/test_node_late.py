"""A node whose loop is late: neither lease nor store is blamed for that."""

from __future__ import annotations

import asyncio
from unittest import mock

from tests.unit.actors.plant import TTL_S, a_plant, is_owner
from tests.virtual_time import in_virtual_time, stall


@in_virtual_time
async def test_a_loop_that_is_late_again_and_again_is_no_store_that_is_down() -> None:
    async with a_plant() as plant:
        node = await plant.start()
        pings = 0

        async def answered_late() -> None:
            nonlocal pings
            pings += 1
            stall(0.6 * TTL_S)
            await asyncio.sleep(0.01)

        with mock.patch.object(plant.store, "ping", answered_late):
            await asyncio.sleep(10 * TTL_S)
            assert pings > 5
            assert node.status().store.ok
            assert is_owner(node)
