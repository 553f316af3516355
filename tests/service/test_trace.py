"""A day of one line as the main service sends it, replayed over HTTP on every store."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.service.books import shown_books, stored_books
from tests.service.checker import mistakes_in, status_of
from tests.trace import CALLERS, make_day, replay, session

if TYPE_CHECKING:
    from tests.service.places import Place
    from tests.trace import Answer

DAY = make_day()


def test_the_day_is_the_same_in_every_run_and_has_all_that_a_day_has() -> None:
    calls = [call for script in DAY.scripts for call in script]
    evening = [call for script in DAY.evening for call in script]
    codes = Counter(update.expected for call in calls for update in call.updates)

    assert make_day() == DAY
    assert DAY.calls >= 1_700
    assert len(DAY.scripts) == CALLERS == 32
    assert len(DAY.start.orders) == 40
    assert codes["DUPLICATE_OPERATION"] > 30
    assert codes["REQUEST_ID_CONFLICT"] > 5
    assert sum(call.batch for call in calls) > 16
    assert sum(call.copies > 1 for call in calls) > 16
    assert sum(call.repeats is not None for call in calls) > 16
    assert sum(not call.keyed for call in calls) > 300
    assert len(evening) > 60
    assert all(call.repeats is not None for call in evening)


@pytest.mark.long
async def test_a_day_of_one_line_is_booked_exactly(place: Place) -> None:
    await place.open(DAY.start)
    async with session(place.node.uri) as client:
        answers = await replay(client, DAY)
        outcomes = [outcome for answer in answers for outcome in answer.outcomes()]
        shown = await shown_books(client, DAY.start)
    await place.node.stopped()
    stored = await asyncio.to_thread(stored_books, place.backdoor, DAY.start)

    assert len(answers) == DAY.calls
    assert [answer for answer in answers if answer.status != _expected_status(answer)] == []
    assert mistakes_in(shown, outcomes) == []
    assert mistakes_in(stored, outcomes) == []


def _expected_status(answer: Answer) -> int:
    if answer.call.batch:
        return 200
    keyed = answer.call.key_of(0) is not None
    return status_of(answer.call.updates[0].expected, keyed=keyed)
