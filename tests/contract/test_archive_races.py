"""Movers, who brings back, and an owner on the same orders: one step of one of them at a time.

A step is one call of the database. Who is not let on sleeps there, for longer than all rests.
"""

from __future__ import annotations

import asyncio
import copy
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from actors.domain.decide import decide, questions
from actors.store import ChangeSet, Committed
from actors.store.mongo import archive as mongo_archive
from actors.store.mongo.archive import MongoArchive
from actors.store.mongo.store import MongoStore
from actors.store.quantities import Dimension, QuantityQuery
from actors.store.sqlite.archive import SqliteArchive
from tests.contract.cases import (
    FIRST,
    MORNING,
    applied,
    commit_one,
    loaded,
    order_document,
    output,
    scan,
    whole_log,
)
from tests.contract.conftest import on_both, on_mongo
from tests.contract.logged import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from actors.domain.model import Change, WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import RealBackdoor

pytestmark = pytest.mark.adapters
_HANGS_S: Final = 60.0
_BEFORE: Final = max(datetime.now(UTC), MORNING) + timedelta(days=1)
"""What came back just now may be moved again."""
_LATER: Final = _BEFORE + timedelta(days=1)
_WRITES: Final = ("update", "insert", "delete", "bulk_write", "$merge", "threads.run")
_ALL: Final = QuantityQuery(MORNING, _LATER, group=(Dimension.ORDER,))


class _Gated:
    """Asks at a gate before each call of a collection, a cursor or SQLite's threads."""

    def __init__(
        self,
        inner: Any,  # noqa: ANN401
        gate: Callable[[str], Awaitable[None]],
        what: str,
    ) -> None:
        self._inner, self._gate, self._what = inner, gate, what

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        inner = getattr(self._inner, name)
        if name in ("name", "database", "close"):
            return inner
        what = f"{self._what}.{name}"
        if name in ("find", "sort", "limit", "hint"):
            return lambda *args, **kwargs: _Gated(inner(*args, **kwargs), self._gate, what)

        async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            await self._gate(f"{what} {args}")
            return await inner(*args, **kwargs)

        return call


class _Party:
    """Somebody who does one step when he is let to; `store` is the database as he uses it."""

    def __init__(self, store: Store, work: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
        self._may, self._waits = asyncio.Semaphore(0), asyncio.Event()
        self.next_step = ""
        self.wrote = False
        """Whether the last step may have changed something."""
        self._task = asyncio.create_task(work(self._store(store)))
        self._task.add_done_callback(lambda _: self._waits.set())

    async def step(self) -> bool:
        """Let him do a step, and come to the next; False when he has ended."""
        await asyncio.wait_for(self._waits.wait(), _HANGS_S)
        if self._task.done():
            self._task.result()
            return False
        self._waits.clear()
        self.wrote = any(each in self.next_step for each in _WRITES)
        self._may.release()
        await asyncio.wait_for(self._waits.wait(), _HANGS_S)
        return True

    async def come_to(self, step: str, times: int = 1) -> None:
        """Let him go on until he is about to do this for the so manieth time."""
        while times:
            assert await self.step(), step
            times -= step in self.next_step

    async def end(self) -> None:
        """Let him go on to his end."""
        while await self.step():
            pass

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _gate(self, step: str = "rest") -> None:
        self.next_step = step
        self._waits.set()
        await self._may.acquire()

    def _store(self, store: Store) -> Store:
        mine: Any = copy.copy(store)
        if not isinstance(store, MongoStore):
            mine._threads = _Gated(mine._threads, self._gate, "threads")  # noqa: SLF001
            mine.archive = SqliteArchive(mine._file, mine._threads)  # noqa: SLF001
            return mine  # type: ignore[no-any-return]
        at = store._at  # noqa: SLF001
        names = [each.name for each in fields(at) if each.name != "shard"]
        gated: dict[str, Any] = {n: _Gated(getattr(at, n), self._gate, n) for n in names}
        at = replace(at, **gated)
        mine._at = at  # noqa: SLF001
        mine.archive = archive = MongoArchive(lambda: at)
        archive.rest = self._gate  # type: ignore[method-assign]
        return mine  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Scene:
    """Two orders that ended: keys of the one are repeated, the other goes on."""

    store: Store
    backdoor: RealBackdoor
    ended: WorkOrderId
    goes_on: WorkOrderId

    @classmethod
    async def set(cls, store: Store, backdoor: RealBackdoor) -> _Scene:
        ids = []
        for _ in range(2):
            document = order_document()
            backdoor.put_order(document)
            ids.append(document["_id"])
            made = await applied(store, ids[-1], output(100, key="first"), scan())
            await store.trim(FIRST, [made.order])
        return cls(store, backdoor, *ids)

    async def check(self) -> None:
        """Readers see each entry once; the seqs have no gap."""
        for order_id, least in ((self.ended, 2), (self.goes_on, 2)):
            seen = sorted(each["seq"] for each in await whole_log(self.store, order_id))
            assert seen == list(range(1, max(len(seen), least) + 1)), "each once"

    async def check_at_the_end(self) -> None:
        """Order, log and statistics say the same; what was repeated was applied once."""
        await self.check()
        sums = {row.keys[0]: row.output for row in await rows(self.store, _ALL)}
        for order_id, most in ((self.ended, 2), (self.goes_on, 3)):
            order = await loaded(self.store, order_id)
            log = await whole_log(self.store, order_id)
            moved = [each["changeQuantity"] for each in log if each["changeType"] == "output"]
            assert len(log) == order.seq <= most
            assert sum(moved) == order.state.output_quantity
            assert sums[order_id].added - sums[order_id].taken == sum(moved)


async def _move(store: Store) -> None:
    await store.archive.move(_BEFORE)


async def _moves(store: Store) -> None:
    for _ in range(2):
        await _move(store)


async def _restores(store: Store) -> None:
    for _ in range(2):
        await store.archive.restore()


async def _update(store: Store, order_id: WorkOrderId, change: Change) -> None:
    """Do as an actor that knows nothing of the order does."""
    while True:
        order = await loaded(store, order_id)
        await store.relay(order.outbox)
        asked = questions(order_id, [change], frozenset(), archived=order.archived)
        assert asked is not None
        [known] = await store.evidence([asked])
        made = decide(order, [change], known, FIRST, _LATER)
        if not made.outcomes:
            return
        changes = ChangeSet(order, made.after, made.outcomes, (), _LATER)
        result = await commit_one(store, changes)
        if isinstance(result, Committed):
            await store.relay(made.outcomes)
            await store.trim(FIRST, [result.order])
            return


async def _updates(scene: _Scene, store: Store) -> None:
    for order_id, change in (
        (scene.ended, output(100, key="first")),
        (scene.goes_on, output(-1, key="second")),
        (scene.goes_on, output(-1, key="second")),
        (scene.ended, scan(key="again")),
    ):
        await _update(store, order_id, change)


async def _edits(scene: _Scene, store: Store) -> None:
    """Let somebody take the order up again, and end it."""
    for status in ("PAUSED", "CANCELLED"):
        await loaded(store, scene.ended)  # he takes his time
        scene.backdoor.edit_order(scene.ended, {"status": status})


@asynccontextmanager
async def _acting(
    scene: _Scene, *work: Callable[[Store], Coroutine[Any, Any, None]]
) -> AsyncIterator[list[_Party]]:
    """Give parties that go on step by step; look at what has become of it when they have ended."""
    parties = [_Party(scene.store, each) for each in work]
    try:
        yield parties
        for each in parties:
            await each.end()
            await scene.check()
    finally:
        for each in parties:
            await each.leave()
    while await scene.store.archive.move(_BEFORE):
        pass
    await scene.check_at_the_end()
    while await scene.store.archive.restore():
        pass
    await scene.check_at_the_end()


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_archive, "REST_S", 0)
    monkeypatch.setattr(mongo_archive, "_ORDERS", 1)
    monkeypatch.setattr(mongo_archive, "_AT_ONCE", 1)


@on_both
@pytest.mark.parametrize("seed", [4, 32])  # each has found a fault once
async def test_whoever_sleeps_between_any_two_steps(
    store: Store, backdoor: RealBackdoor, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 -- not a secret
    scene = await _Scene.set(store, backdoor)
    updates, edits = partial(_updates, scene), partial(_edits, scene)
    async with _acting(scene, _moves, _moves, _restores, updates, edits) as parties:
        for _ in range(25):
            party = chance.choice(parties)
            for _ in range(chance.choice((1, 2, 4, 8, 16, 32, 64))):
                if not await party.step():
                    break
                if party.wrote:
                    await scene.check()


@on_mongo
async def test_copies_that_are_made_too_late_are_not_made(
    store: Store, backdoor: RealBackdoor
) -> None:
    scene = await _Scene.set(store, backdoor)
    async with _acting(scene, _moves, _moves, _restores) as (late, mover, restorer):
        await late.come_to("$merge")
        await mover.end()
        await restorer.end()


@on_mongo
async def test_who_finds_a_later_batch_deletes_nothing_of_it(
    store: Store, backdoor: RealBackdoor
) -> None:
    scene = await _Scene.set(store, backdoor)
    async with _acting(scene, _move, _moves) as (late, mover):
        await late.come_to("'copied': True")
        await mover.come_to("$merge", 4)
        await late.end()
        await scene.check()


@on_mongo
async def test_who_counts_entries_that_another_has_moved_finds_none(
    store: Store, backdoor: RealBackdoor
) -> None:
    scene = await _Scene.set(store, backdoor)
    async with _acting(scene, _move, _moves) as (late, mover):
        await late.come_to("logs.aggregate")
        await mover.end()


@on_mongo
async def test_who_decided_with_neither_place_finds_his_commit_stale(
    store: Store, backdoor: RealBackdoor
) -> None:
    """He read the log before entries came back to it, and the archive after they had left that."""
    scene = await _Scene.set(store, backdoor)
    await _moves(store)
    async with _acting(scene, partial(_updates, scene), _restores) as (owner, restorer):
        await owner.come_to("archive.find")
        await restorer.end()
