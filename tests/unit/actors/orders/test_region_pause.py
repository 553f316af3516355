"""Pause and resume against each other, and against a term that begins meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.domain.messages import Updated
from actors.errors import Overtaken
from actors.node.term import Term, TermOptions
from actors.orders.region import Region
from actors.orders.supervisor import Limits
from actors.telemetry.telemetry import Telemetry
from tests.fakes import MemoryStore
from tests.unit.actors.owner import ORDER, Owner, owner_of, turns, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.model import Epoch


@in_virtual_time
async def test_a_pause_and_a_resume_at_once_end_as_the_store_remembers_them() -> None:
    store = MemoryStore()
    store.put(ORDER)
    delays = iter([5.0, 1.0])  # the first to be done is the last to be answered

    async def remember(epoch: Epoch, paused: bool) -> None:  # noqa: FBT001 -- the region's callback
        await store.set_paused(epoch, paused=paused)
        await asyncio.sleep(next(delays))

    region = Region(Telemetry(), remember)
    term = Term(store, region, await store.claim_epoch("a"), TermOptions(Limits()), lambda _: None)
    await term.begin()
    await asyncio.gather(region.pause(), region.resume())

    owner = Owner(store, region, term)
    assert (store.is_paused, region.paused, owner.gate.open) == (False, False, True)
    assert isinstance(await owner.ask(update()), Updated)
    await owner.end()


@in_virtual_time
async def test_a_pause_of_a_term_that_is_over_is_told_as_not_known_and_does_not_spring_up() -> None:
    store = MemoryStore()
    store.put(ORDER)
    async with owner_of(store) as owner:
        region = owner.region
        async with store.holding("set_paused") as remembering:
            pausing = asyncio.create_task(region.pause())
            await remembering.wait()
            await owner.term.abandon("the lease is lost")
            epoch = await store.claim_epoch("again")
            term = Term(store, region, epoch, TermOptions(Limits()), lambda _: None)
            beginning = asyncio.create_task(term.begin())
            await turns()
        with pytest.raises(Overtaken):
            await pausing
        await beginning

        again = Owner(store, region, term)
        assert (store.is_paused, region.paused, again.gate.open) == (False, False, True)
        assert isinstance(await again.ask(update(within=1)), Updated)
        await again.end()
