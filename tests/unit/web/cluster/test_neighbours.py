"""What other nodes say of themselves is shown, forgotten, and never trusted with much room."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from actors.store.shards import Member
from web.cluster.neighbours import Neighbours


def _report(node: str = "n-1", **changes: object) -> str:
    said = {"node": node, "url": "http://n", "role": "standby", "reason": "", **changes}
    return json.dumps(said)


def test_a_node_that_reports_is_known_as_it_said_last() -> None:
    neighbours = Neighbours()
    neighbours.heard(_report())
    neighbours.heard(_report(role="draining"))
    assert [(each.node, each.role) for each in neighbours.present()] == [("n-1", "draining")]


@pytest.mark.parametrize(
    "report",
    ["", "x", "[]", "{}", _report("a b"), _report(role=1), _report(reason="x" * 2_000)],
)
def test_what_is_not_a_report_is_left_out(report: str) -> None:
    neighbours = Neighbours()
    neighbours.heard(report)
    assert neighbours.present() == []


def test_reports_without_end_take_no_room_without_end() -> None:
    neighbours = Neighbours()
    for number in range(1_000):
        neighbours.heard(_report(f"n-{number}"))
    assert len(neighbours.present()) == 64


def test_a_node_that_is_silent_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    neighbours = Neighbours()
    neighbours.heard(_report())
    monkeypatch.setattr("web.cluster.neighbours.PRESENT_S", -1.0)
    assert neighbours.present() == []


def test_front_doors_that_do_not_ask_each_other_are_known_by_their_roster() -> None:
    roster = SimpleNamespace(term=1, others=lambda: [Member("door-b", "http://b")])
    (known,) = Neighbours(roster).present()
    assert (known.node, known.url, known.role, known.version) == (
        "door-b",
        "http://b",
        "owner",
        None,
    )
