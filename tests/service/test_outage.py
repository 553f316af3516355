"""The service goes away under many calling processes: each update counts once in the end.

`python -m scripts.outage` does the same for longer.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.outage import hold_an_outage, mistakes_in
from tests.service.places import sqlite_place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.outage import Evidence

ROUNDS = int(os.environ.get("OUTAGE_ROUNDS", "2"))


@pytest.mark.long
@pytest.mark.timeout(600 + 60 * ROUNDS)
async def test_callers_of_both_kinds_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    with sqlite_place(tmp_path / "node", {"LEASE_TTL": "1"}) as place:
        report = await hold_an_outage(
            place, tmp_path / "callers", callers=6, outage_s=2.0, rounds=ROUNDS
        )

    assert report.mistakes == []
    assert report.rounds == ROUNDS
    assert report.codes["QUEUED_FALLBACK"] >= report.callers
    assert report.codes["UPDATED"] >= report.callers
    assert report.waited >= 1
    assert report.evidence is not None
    _assert_that_faults_would_be_seen(report.evidence)


def _assert_that_faults_would_be_seen(evidence: Evidence) -> None:
    """Spoil what is exact, in each of the ways that the drill is there to find."""
    fullest = max(evidence.books, key=lambda books: len(books.log))

    def mistakes(log: list[dict[str, Any]]) -> str:
        books = [replace(each, log=log) if each is fullest else each for each in evidence.books]
        return "\n".join(mistakes_in(replace(evidence, books=books)))

    answered = [
        entry for entry in fullest.log if entry["planServer"]["requestId"] in evidence.answers
    ]
    lost = [entry for entry in fullest.log if entry is not answered[0]]
    assert "and lost" in mistakes(lost)
    assert "counted 2 times" in mistakes([*fullest.log, fullest.log[0]])
    assert "came after it" in mistakes(fullest.log[::-1])
    stranger = {"requestId": "nobody-1", "seq": 1}
    assert "nobody asked" in mistakes([{**fullest.log[0], "planServer": stranger}])
