"""Answers get lost and requests arrive late, while the main service edits the same orders."""

from __future__ import annotations

import asyncio
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.proxy import Weather, Wires
from tests.servers import MongoServer
from tests.service.books import shown_books, stored_books
from tests.service.checker import mistakes_in
from tests.service.load import Load
from tests.service.main_service import MainService
from tests.service.places import mongo_place
from tests.trace import morning, session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.proxy import Wire
    from tests.service.places import Place

MISHAPS = 60
DELAY_S = 4.0
"""Long enough that the node gives up, and takes over again, while a request is on its way."""
BAD = Weather(late_share=0.15, late_s=DELAY_S, lost_share=0.03)


@pytest.mark.long
@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_what_is_lost_or_late_on_the_wire_is_booked_once_and_told_truly(
    driver: str, tmp_path: Path
) -> None:
    with MongoServer(tmp_path / "mongo") as server, Wires() as wires:
        wire = wires.to(server.port)
        environment = {
            "MONGODB_URI": f"mongodb://127.0.0.1:{wire.port}/?directConnection=true&timeoutMS=700",
            "MONGODB_DRIVER": driver,
            "LEASE_TTL": "1",
            "REQUEST_TIMEOUT_S": "5",
        }
        with mongo_place("standalone", server, "wire", tmp_path, environment) as place:
            await _work(place, wire)


async def _work(place: Place, wire: Wire) -> None:
    await place.open(morning())
    main_service = MainService(place)
    async with session(place.node.uri) as client:
        load = Load(client, seed=5)
        load.start()
        trouble = asyncio.create_task(_make_trouble(place, wire))
        for number in count():
            await asyncio.to_thread(main_service.edit, number)
            await asyncio.sleep(0.02)
            if trouble.done():
                break
        outcomes = await load.finish()
        shown = await shown_books(client, morning())
    await place.node.stopped()
    stored = await asyncio.to_thread(stored_books, place.backdoor, morning())

    assert load.mistakes == []
    for books in (shown, stored):
        found = mistakes_in(
            books, outcomes, main_service.account(), replies_lost=True, unknown=load.unknown
        )
        assert found == []


async def _make_trouble(place: Place, wire: Wire) -> None:
    rng = Random(3)  # noqa: S311 -- a drill, not a secret
    while wire.mishaps < MISHAPS or not place.node.events("commit_unanswered"):
        if wire.weather is BAD:
            wire.passes()
        else:
            wire.set(BAD)
        await asyncio.sleep(rng.uniform(0.3, 1.5))
    wire.passes()
    # What is still on its way arrives before the books are read.
    await asyncio.sleep(DELAY_S)
