"""Everybody at the same order: where the service that this one replaces loses half."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.service.books import shown_books, stored_books
from tests.service.checker import mistakes_in
from tests.trace import Call, Start, Update, send, session

if TYPE_CHECKING:
    import aiohttp

    from tests.service.places import Place
    from tests.trace import Answer

ORDER = "6560a0000000000000000001"
CALLERS = 32
UPDATES = 1_000


async def test_1000_updates_of_one_order_by_32_callers_are_all_applied(place: Place) -> None:
    start = Start(orders=(_order(),))
    await place.open(start)
    async with session(place.node.uri) as client:
        answers = await _all_callers(client)
        outcomes = [outcome for answer in answers for outcome in answer.outcomes()]
        shown = await shown_books(client, start)
    await place.node.stopped()
    stored = await asyncio.to_thread(stored_books, place.backdoor, start)

    assert [answer for answer in answers if answer.status != 200] == []
    assert len(answers) == len({answer.body["data"]["jobId"] for answer in answers}) == UPDATES
    assert sorted(answer.body["data"]["seq"] for answer in answers) == [*range(1, UPDATES + 1)]
    assert stored[0].after["inputQuantity"] + stored[0].after["outputQuantity"] == UPDATES
    assert mistakes_in(shown, outcomes) == []
    assert mistakes_in(stored, outcomes) == []


async def _all_callers(client: aiohttp.ClientSession) -> list[Answer]:
    """Let each caller take the next update as soon as its last one is answered."""
    calls = iter([_call(number) for number in range(UPDATES)])
    answers: list[Answer] = []

    async def caller() -> None:
        for call in calls:
            answers.append(await send(client, call))  # noqa: PERF401 -- shared by all callers

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return answers


def _call(number: int) -> Call:
    """Every second one is an old caller's, without a key."""
    kind = "input" if number % 4 < 2 else "output"
    return Call((Update(ORDER, kind, 1, key=f"hot-{number}" if number % 2 else None),))


def _order() -> dict[str, Any]:
    return {
        "_id": ORDER,
        "workOrderNo": "WO-HOT",
        "status": "IN_PROGRESS",
        "planProductionQuantity": 900,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 50,
        "progress": 0,
    }
