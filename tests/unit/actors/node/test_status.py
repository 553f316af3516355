"""Whether a server answers, and since when."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from actors.errors import StoreUnavailable
from actors.node import status
from actors.node.status import Watched
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    import pytest


@in_virtual_time
async def test_a_server_that_was_not_asked_yet_is_not_ok() -> None:
    watched = Watched("mongodb")
    await asyncio.sleep(2)

    view = watched.view()
    assert (view.name, view.ok, view.detail, view.since_s) == ("mongodb", False, "not asked yet", 2)


@in_virtual_time
async def test_time_counts_from_the_turn_and_the_detail_is_the_latest() -> None:
    watched = Watched("mongodb")
    watched.answered()
    await asyncio.sleep(1)
    watched.answered()
    assert (watched.down_s, watched.view().since_s, watched.view().detail) == (0, 1, "ok")

    watched.failed(StoreUnavailable("refused"))
    await asyncio.sleep(3)
    watched.failed(StoreUnavailable("no route"))
    view = watched.view()
    assert (watched.down_s, view.since_s, view.detail, view.ok) == (3, 3, "no route", False)

    watched.answered()
    assert (watched.down_s, watched.view().since_s, watched.view().ok) == (0, 0, True)


@in_virtual_time
async def test_only_the_turns_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()  # the other tests here log nothing
    # A logger that a service of an earlier test has used would keep to that one's output.
    monkeypatch.setattr(status, "_log", structlog.get_logger())
    watched = Watched("redis")
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            watched.answered()
        for _ in range(3):
            watched.failed(StoreUnavailable("gone"))
        watched.answered()

    assert [line["event"] for line in logged] == [
        "dependency_up",
        "dependency_down",
        "dependency_up",
    ]
    assert logged[1] == {
        "event": "dependency_down",
        "log_level": "warning",
        "name": "redis",
        "detail": "gone",
    }
