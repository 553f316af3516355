"""Places: who is let in when they run out, and who has to leave."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from web.server.places import Entry, Places

if TYPE_CHECKING:
    from aiohttp.http import RawRequestMessage


class Someone:
    """A connection that notes what is done to it."""

    def __init__(self) -> None:
        self.fate = ""

    def cut(self, reason: str) -> None:
        self.fate = reason

    def turn_away(self) -> None:
        self.fate = "turned away"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def asking(path: str = "/api/actors", **headers: str) -> RawRequestMessage:
    return cast("RawRequestMessage", SimpleNamespace(path=path, headers=headers))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def full(clock: Clock, most: int = 2) -> tuple[Places, list[Someone]]:
    """Take all places, each with a request under way."""
    places = Places(most, clock)
    inside = [Someone() for _ in range(most)]
    for one in inside:
        assert places.enter(one) is Entry.SEATED
        assert places.begin(one, asking())
    return places, inside


def newcomer(places: Places, path: str = "/api/actors") -> tuple[Someone, bool]:
    one = Someone()
    assert places.enter(one) is Entry.WAITING
    return one, places.begin(one, asking(path))


def test_who_is_at_work_keeps_the_place(clock: Clock) -> None:
    places, inside = full(clock)
    clock.now += 1_000
    assert not newcomer(places)[1]
    assert [one.fate for one in inside] == ["", ""]


def test_who_idled_longest_leaves_first_and_not_before_ten_seconds(clock: Clock) -> None:
    places, inside = full(clock, 3)
    for one in (inside[1], inside[0]):
        places.rest(one)
        clock.now += 9
    places.begin(inside[1], asking())
    places.rest(inside[1])  # has asked again meanwhile
    one, served = newcomer(places)
    assert not served
    places.leave(one)
    clock.now += 1
    one, served = newcomer(places)
    assert served
    assert places.may_stay(one)
    assert [each.fate for each in inside] == ["idle", "", ""]
    assert places.inside == 3


def test_who_never_asked_leaves_before_those_who_did(clock: Clock) -> None:
    places, inside = full(clock, 2)
    places.rest(inside[0])
    places.leave(inside[1])
    silent = Someone()
    places.enter(silent)
    clock.now += 20
    assert newcomer(places)[1]
    assert (silent.fate, inside[0].fate) == ("silent", "")
    assert newcomer(places)[1]
    assert inside[0].fate == "idle"


def test_a_connection_just_made_may_still_ask(clock: Clock) -> None:
    places, inside = full(clock, 1)
    places.leave(inside[0])
    fresh = Someone()
    places.enter(fresh)
    clock.now += 0.5
    assert not newcomer(places)[1]
    assert places.begin(fresh, asking())
    assert fresh.fate == ""


@pytest.mark.parametrize(
    ("message", "served"),
    [
        (asking("/livez"), True),
        (asking("/health/?x"), True),
        (asking("/readyz"), True),
        (asking("/api/actors", **{"X-Forwarded-By-Node": "node-2"}), True),
        (asking("/healthy"), False),
        (None, False),
    ],
)
def test_a_kept_place_is_for_probes_and_other_nodes_and_for_one_answer(
    clock: Clock, message: RawRequestMessage | None, *, served: bool
) -> None:
    places, _ = full(clock)
    one = Someone()
    assert places.enter(one) is Entry.WAITING
    assert places.begin(one, message) is served
    assert not places.may_stay(one)
    places.rest(one)
    assert places.inside == 2


def test_who_waits_in_a_kept_place_makes_room_for_the_next(clock: Clock) -> None:
    places, _ = full(clock, 16)
    assert places.kept == 2
    waiting = [Someone() for _ in range(3)]
    assert [places.enter(one) for one in waiting] == [Entry.WAITING] * 3
    assert [one.fate for one in waiting] == ["turned away", "", ""]
    # And where all that are kept are being used, nobody has to.
    for one in waiting[1:]:
        assert places.begin(one, asking("/livez"))
    assert places.enter(Someone()) is Entry.REFUSED
    places.leave(waiting[1])
    assert places.enter(Someone()) is Entry.WAITING


def test_a_newcomer_takes_a_place_that_was_left_meanwhile(clock: Clock) -> None:
    places, inside = full(clock)
    one = Someone()
    places.enter(one)
    places.leave(inside[0])
    assert places.begin(one, asking())
    assert places.may_stay(one)
