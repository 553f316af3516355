"""The look at live actors: their states, their order in lists, and no stall however many."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
from pykka._envelope import Envelope

from actors.domain.messages import Updated
from actors.errors import DuplicateOperation
from actors.jobs.keeper import JobOptions
from actors.operators.inspector import ActorInspector
from actors.operators.pages import cut
from actors.operators.rows import ActorQuery, ActorState, Sort
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.owner import (
    ORDER,
    OTHER,
    Owner,
    a_store,
    order_number,
    owner_of,
    turns,
    update,
)
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.operators.rows import ActorRow


def look(owner: Owner) -> ActorInspector:
    return ActorInspector(owner.directory, owner.term.committer, owner.region.telemetry)


async def rows(owner: Owner, **query: object) -> list[ActorRow]:
    return (await look(owner).page(ActorQuery(**query)))[1]  # type: ignore[arg-type]


async def ids(owner: Owner, **query: object) -> list[WorkOrderId]:
    return [row.work_order_id for row in await rows(owner, **query)]


async def touch(owner: Owner, *numbers: int) -> None:
    for number in numbers:
        assert isinstance(await owner.ask(update(1, order_number(number))), Updated)


# -- states ----------------------------------------------------------------------------------


@in_virtual_time
async def test_actors_are_counted_by_what_they_are_about() -> None:
    store = a_store(9)
    async with owner_of(store) as owner:
        await touch(owner, 1, 2, 3)
        async with store.holding("commit") as committing:
            working = owner.soon(update(1, ORDER))
            await committing.wait()
            waiting = [owner.soon(update(1, ORDER)) for _ in range(4)]
            await turns()
            found = await look(owner).summary()
            assert found.states == {"idle": 2, "waiting": 0, "active": 1, "delayed": 0, "paused": 0}
            assert found.depths == [4]
            view = await look(owner).one(ORDER)
            assert view is not None
            assert (view.row.state, view.row.depth) == (ActorState.ACTIVE, 4)
            assert view.actor.doing == "committing"
            assert view.job_id is not None
            assert view.row.work_order_no == view.actor.work_order_no is not None
        await asyncio.gather(working, *waiting)
        await owner.at_rest()
        assert (await look(owner).summary()).states["idle"] == 3


@in_virtual_time
async def test_what_waits_behind_a_closed_gate_is_paused_and_grows_old() -> None:
    async with owner_of(a_store(9)) as owner:
        await touch(owner, 1, 2)
        await owner.hold()
        asked = owner.soon(update(1, ORDER, within=100))
        await asyncio.sleep(7)
        (row, idle) = await rows(owner)
        assert (row.work_order_id, row.state, row.depth) == (ORDER, ActorState.PAUSED, 1)
        assert row.oldest_s == pytest.approx(7, abs=0.1)
        assert (idle.work_order_id, idle.state) == (OTHER, ActorState.IDLE)
        summary = await look(owner).summary()
        assert (summary.oldest_s, summary.longest) == (0.0, None), "on purpose: nobody is paged"
        assert all(each.slow_s < 1 for each in (await look(owner).hot(9)).slowest)
        await owner.go_on()
        await asked


@in_virtual_time
async def test_time_spent_paused_is_no_latency_and_no_wait_afterwards() -> None:
    store = a_store(9)
    async with owner_of(store) as owner:
        await touch(owner, 1)
        await owner.hold()
        asked = owner.soon(update(1, ORDER, within=1000))
        await asyncio.sleep(600)
        async with store.holding("commit") as committing:
            await owner.go_on()
            await committing.wait()
            await asyncio.sleep(3)
            assert (await look(owner).summary()).oldest_s == pytest.approx(3, abs=0.1)
            await owner.region.pause_order(ORDER)
            behind = owner.region.telemetry, owner.directory.made[ORDER]
        await asked
        telemetry, mailbox = behind
        assert telemetry.end_to_end.longest_s == pytest.approx(3, abs=0.1)
        assert telemetry.waits.longest_s == pytest.approx(0, abs=0.1)
        mailbox.put(Envelope(update(1, ORDER, within=1000)))
        await asyncio.sleep(60)
        assert (await look(owner).summary()).longest is None
        await owner.region.resume_order(ORDER)
        await owner.at_rest()
        assert telemetry.end_to_end.longest_s == pytest.approx(3, abs=0.1)


@in_virtual_time
async def test_an_actor_that_waits_for_the_store_is_delayed_and_says_so() -> None:
    store = a_store(9)
    async with owner_of(store) as owner:
        store.choose = lambda _method: Fault.REFUSE
        asked = owner.soon(update(1, ORDER, within=30))
        await asyncio.sleep(12)
        view = await look(owner).one(ORDER)
        assert view is not None
        assert view.row.state is ActorState.DELAYED
        assert view.actor.doing == "waiting for the store"
        assert view.busy_s == pytest.approx(12, abs=0.1)
        store.choose = lambda _method: None
        await asked


@in_virtual_time
async def test_a_message_taken_back_while_paused_leaves_its_actor_idle() -> None:
    async with owner_of(a_store(9)) as owner:
        await touch(owner, 1)
        await owner.hold()
        await owner.ask(update(1, ORDER, within=1))
        assert not owner.gate.busy
        states = (await look(owner).summary()).states
        assert {name: count for name, count in states.items() if count} == {"idle": 1}
        await owner.go_on()


# -- lists -----------------------------------------------------------------------------------


@in_virtual_time
async def test_lists_are_sorted_as_asked_and_paged_without_gaps() -> None:
    async with owner_of(a_store(9)) as owner:
        for number in range(1, 8):
            await touch(owner, number)
            await asyncio.sleep(0.1)
        await owner.hold()
        asked = [
            owner.soon(update(1, order_number(number), within=100))
            for number, count in ((3, 2), (5, 5), (6, 1))
            for _ in range(count)
        ]
        await turns()
        one, two, four, seven = (order_number(number) for number in (1, 2, 4, 7))
        three, five, six = (order_number(number) for number in (3, 5, 6))
        by_depth = [five, three, six, seven, four, two, one]
        assert await ids(owner) == by_depth
        assert await ids(owner, descending=False) == by_depth[::-1]
        pages = [await ids(owner, page=page, page_size=3) for page in (1, 2, 3, 4)]
        assert [each for page in pages for each in page] == by_depth
        assert await ids(owner, sort=Sort.ACTIVE) == [six, five, three, seven, four, two, one]
        assert await ids(owner, state=ActorState.IDLE) == [seven, four, two, one]
        assert await ids(owner, state=ActorState.PAUSED) == [five, three, six]
        assert await ids(owner, search=five[:23] + "5") == [five]
        assert await ids(owner, search="no such") == []
        hot = await look(owner).hot(2)
        assert [row.work_order_id for row in hot.deepest] == [five, three]
        await owner.go_on()
        await asyncio.gather(*asked)


@in_virtual_time
async def test_orders_are_found_by_their_number() -> None:
    async with owner_of(a_store(9)) as owner:
        await touch(owner, 1, 2)
        number = owner.directory.made[OTHER].label
        assert number
        assert OTHER in await ids(owner, search=number.upper())
        (row,) = [row for row in await rows(owner) if row.work_order_id == OTHER]
        assert row.work_order_no == number


async def test_the_busiest_and_the_slowest_orders_stand_out() -> None:
    store = a_store(9)
    async with Served(store) as owner:
        await touch(owner, *[1] * 5, *[2] * 9, 3)
        hot = await look(owner).hot(2)
        assert [row.work_order_id for row in hot.busiest] == [OTHER, ORDER]
        assert hot.busiest[0].rate == pytest.approx(9 / 60)
        assert hot.deepest == []
        assert len(hot.slowest) == 2
        by_rate = await ids(owner, sort=Sort.RATE)
        assert by_rate == [OTHER, ORDER, order_number(3)]


async def test_an_order_without_an_actor_is_none() -> None:
    async with Served(a_store(9)) as owner:
        assert await look(owner).one(ORDER) is None


async def test_an_orders_latest_updates_are_told_with_what_became_of_them() -> None:
    async with Served(a_store(9)) as owner:
        await touch(owner, 1)
        await owner.ask(update(2, ORDER, key="k"))
        await owner.ask(update(2, ORDER, key="k"))
        await owner.ask(update(3, ORDER, key="k"))
        await owner.ask(update(1, OTHER))
        latest = await look(owner).latest(ORDER)
        assert [(each.event, each.code) for each in latest] == [
            ("refused", "REQUEST_ID_CONFLICT"),
            ("replayed", "UPDATED"),
            ("applied", "UPDATED"),
            ("applied", "UPDATED"),
        ]
        assert latest[2].seq == 2
        outcomes = owner.region.telemetry.outcomes
        assert outcomes["applied", "UPDATED"] == 3
        assert outcomes["refused", "REQUEST_ID_CONFLICT"] == 1


@pytest.mark.parametrize(
    ("refuse", "event", "counted"), [(False, "duplicate", (2, 0)), (True, "refused", (1, 1))]
)
@in_virtual_time
async def test_a_scan_that_is_repeated_counts_as_what_its_caller_is_told(
    event: str, counted: tuple[int, int], *, refuse: bool
) -> None:
    async with owner_of(a_store(9), jobs=JobOptions(refuse_repeats=refuse)) as owner:
        said: dict[str, Any] = {
            "related_barcode": "SN-1",
            "process_step_id": "b" * 24,
            "barcode_operation": "SCAN_PROCESS",
        }
        await owner.ask(update(1, ORDER, **said))
        assert isinstance(await owner.ask(update(1, ORDER, **said)), DuplicateOperation)
        telemetry = owner.region.telemetry
        assert (telemetry.tally.completed, telemetry.tally.failed) == counted
        assert telemetry.outcomes[event, "DUPLICATE_OPERATION"] == 1
        assert (await look(owner).latest(ORDER))[0].event == event
        assert owner.directory.made[ORDER].failed == counted[1]


class Served:
    """An owner in real time: histograms and rates go by clocks that virtual time leaves alone."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def __aenter__(self) -> Owner:
        self._owner = await Owner.begin(self._store)
        return self._owner

    async def __aexit__(self, *_error: object) -> None:
        await self._owner.at_rest()
        await self._owner.end()


# -- figures ---------------------------------------------------------------------------------


async def test_waiting_handling_commits_and_the_whole_are_measured() -> None:
    store = a_store(9)
    async with Served(store) as owner:
        telemetry = owner.region.telemetry
        telemetry.samples.take(None)
        await touch(owner, 1, 2, 3)
        latencies = telemetry.latencies()
        assert {name: each.count for name, each in latencies.items()} == {
            "waiting": 3,
            "handling": 3,
            "commit": 3,
            "total": 3,
        }
        assert 0 < latencies["commit"].p50_s <= latencies["total"].longest_s * 1.25
        assert telemetry.latencies()["total"].longest_s > 0


@in_virtual_time
async def test_every_update_of_a_batch_counts_as_handled_in_its_time() -> None:
    store = a_store(9)
    async with owner_of(store) as owner:
        await touch(owner, 1)
        await owner.hold()
        asked = [owner.soon(update(1, ORDER)) for _ in range(10)]
        await turns()
        before = owner.region.telemetry.handlings.count
        await owner.go_on()
        await asyncio.gather(*asked)
        assert owner.region.telemetry.handlings.count - before == 10
        assert owner.directory.made[ORDER].handled == 11


@in_virtual_time
async def test_counts_go_on_over_terms_and_happenings_name_the_pauses() -> None:
    store = a_store(9)
    async with owner_of(store) as owner:
        await touch(owner, 1, 2)
        await owner.region.pause()
        await owner.region.resume()
        await owner.region.pause_order(ORDER)
        await owner.region.resume_order(ORDER)
        telemetry = owner.region.telemetry
        _, found = telemetry.journal.after(2, 10)
        assert [(each.event, each.work_order_id) for each in found] == [
            ("paused", None),
            ("resumed", None),
            ("paused", ORDER),
            ("resumed", ORDER),
        ]
        assert (telemetry.actors.created, telemetry.commits.commits) == (2, 2)
        assert telemetry.commits.batches.items == 2


# -- how long it takes -----------------------------------------------------------------------


@pytest.mark.parametrize("backwards", [False, True])
def test_a_page_is_the_same_from_whichever_end_it_is_cut(backwards: bool) -> None:  # noqa: FBT001
    live: OrderedDict[Any, Any] = OrderedDict.fromkeys(range(20))
    ranked = {3, 4, 17}
    whole = [each for each in range(20) if each not in ranked][:: -1 if backwards else 1]
    for start in range(22):
        for end in range(start, 22):
            page: list[Any] = [*cut(live, ranked, start, end, backwards=backwards)]  # type: ignore[arg-type]
            assert page == whole[start:end]


async def test_a_look_at_many_actors_lets_the_loop_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of the loop are counted, not timed: a busy machine must not fail this."""
    monkeypatch.setattr("actors.operators.pages._SLICE", 1_000)
    store = a_store(3_000)
    async with Served(store) as owner:
        await asyncio.gather(*(touch(owner, number) for number in range(1, 3_001)))
        seen = 0

        async def others() -> None:
            nonlocal seen
            while True:
                await asyncio.sleep(0)
                seen += 1

        watching = asyncio.create_task(others())
        await look(owner).page(ActorQuery(search="no such"))
        watching.cancel()
        assert seen >= 3


@in_virtual_time
async def test_locks_are_listed_by_age_without_a_look_at_all() -> None:
    async with owner_of(a_store(9)) as owner:
        for number in (3, 1, 2):
            await touch(owner, number)
            await asyncio.sleep(1)
        await touch(owner, 3)
        total, held = await owner.region.held(2)
        assert total == 3
        assert [each.work_order_id for each in held] == [order_number(3), order_number(1)]
        assert (held[1].since - held[0].since).total_seconds() == pytest.approx(1, abs=0.1)
        assert time.monotonic() - owner.directory.made[order_number(3)].created == pytest.approx(3)
