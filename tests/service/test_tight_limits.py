"""A node whose limits are far too small: much is refused and repeated, and nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.crash import work_on
from tests.service.places import sqlite_place
from tests.trace import Call, Update, morning, order_id, send, session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.places import Place

CALLS = 300


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return a node with the settings that the parameter names."""
    with sqlite_place(tmp_path, request.param) as made:
        yield made


@pytest.mark.parametrize(
    "place",
    [
        pytest.param({"MAILBOX_SIZE": "3", "MAX_WAITING": "60"}, id="hardly-any-room-to-wait"),
        pytest.param({"MAX_ACTORS": "6", "ACTOR_IDLE_S": "0.1"}, id="hardly-any-actors"),
        pytest.param({"REQUEST_TIMEOUT_S": "0.25"}, id="hardly-any-time"),
        pytest.param({"COMMIT_BATCH": "1", "COMMITS_IN_FLIGHT": "64"}, id="commits-alone"),
    ],
    indirect=True,
)
async def test_callers_that_repeat_what_was_refused_get_everything_booked_once(
    place: Place,
) -> None:
    report = await work_on(place, CALLS)

    assert report.mistakes == []


@pytest.mark.parametrize("place", [{"MAILBOX_SIZE": "3"}], indirect=True)
async def test_a_batch_larger_than_its_orders_mailbox_gets_through_in_order(place: Place) -> None:
    await place.open(morning())
    order = order_id(11)
    updates = tuple(Update(order, "input", quantity, key=f"k{quantity}") for quantity in range(10))
    async with session(place.node.uri) as client:
        answer = await send(client, Call(updates, batch=True))

    assert answer.status == 200
    assert [outcome.code for outcome in answer.outcomes()] == ["UPDATED"] * 10
    assert [outcome.data["seq"] for outcome in answer.outcomes()] == [*range(1, 11)]
