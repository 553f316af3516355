"""Long work in slices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.runtime.slices import in_slices

if TYPE_CHECKING:
    import pytest


async def test_others_have_their_turn_after_each_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("actors.runtime.slices.perf_counter", lambda: now)
    done: list[int] = []
    seen: list[int] = []

    async def other() -> None:
        while len(done) < 9:
            seen.append(len(done))
            await asyncio.sleep(0)

    def make(number: int) -> int:
        nonlocal now
        # The large ones take a slice each, of the small ones three do.
        now += 0.001 if number >= 6 else 0.0002
        done.append(number)
        return -number

    beside = asyncio.create_task(other())
    assert await in_slices(make, iter(range(9))) == [-each for each in range(9)]
    await beside
    assert seen == [3, 6, 7, 8]


async def test_nothing_is_nothing() -> None:
    assert await in_slices(str, []) == []


async def test_several_at_long_work_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("actors.runtime.slices.perf_counter", lambda: now)
    made: list[str] = []

    def make(name: str) -> str:
        nonlocal now
        now += 0.0002
        made.append(name)
        return name

    works = (in_slices(make, name * 9) for name in "abc")
    assert await asyncio.gather(*works) == [list(name * 9) for name in "abc"]
    assert "".join(made) == "aaabbbccc" * 3


async def test_what_fails_lets_the_next_go_on() -> None:
    works = [in_slices(int, [each]) for each in ("1", "no", "2")]
    first, failed, last = await asyncio.gather(*works, return_exceptions=True)
    assert (first, last) == ([1], [2])
    assert isinstance(failed, ValueError)
