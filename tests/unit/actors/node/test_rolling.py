"""Roll-ups are kept in the background, whatever the store answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.errors import StoreUnavailable
from actors.node import rolling


class _Statistics:
    """Has three pieces of work, the second of which fails once."""

    def __init__(self) -> None:
        self.left = ["work", "failure", "work"]
        self.rechecked = asyncio.Event()

    async def roll_up(self, *_: object) -> bool:
        if self.left and self.left.pop(0) == "failure":
            raise StoreUnavailable("away")
        return bool(self.left)

    async def recheck(self) -> int:
        self.rechecked.set()
        return 1


async def test_a_failure_is_tried_again_and_all_is_rechecked_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rolling, "_REST_S", 0.0)
    statistics: Any = _Statistics()
    keeping = asyncio.create_task(rolling.keep_rolled_up(statistics, None, (0,)))
    async with asyncio.timeout(30):
        await statistics.rechecked.wait()
    assert not statistics.left
    assert not keeping.done()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
