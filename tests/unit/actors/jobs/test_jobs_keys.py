"""Waiting work with a key: one job of a key at a time, one outcome for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.domain.job import JobState
from actors.domain.messages import Queued, Updated
from actors.errors import OutcomeUnknown, RequestIdConflict
from tests.fakes import Fault
from tests.unit.actors.jobs.test_jobs import applied, job, settled
from tests.unit.actors.owner import ORDER, OTHER, a_store, owner_of, turns, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.store import Evidence, EvidenceQuery


@in_virtual_time
async def test_a_key_that_waits_is_answered_with_its_first_job_and_applied_once() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        first, again = [await owner.ask(job(5, key="k")) for _ in range(2)]
        assert isinstance(first, Queued)
        assert isinstance(again, Queued)
        assert (first.replayed, again.replayed) == (False, True)
        assert again.change.job_id == first.change.job_id
        assert isinstance(await owner.ask(job(6, key="k")), RequestIdConflict)
        assert isinstance(await owner.ask(job(6, OTHER, key="k")), Queued)
        await owner.region.resume()
        waited = await owner.ask(update(5, key="k"))
        assert isinstance(waited, Updated)
        assert (waited.replayed, waited.change.job_id) == (True, first.change.job_id)
        await settled(owner)
        after = await owner.ask(job(5, key="k"))
        assert isinstance(after, Updated), "its outcome is known"
        assert (after.replayed, after.change.job_id) == (True, first.change.job_id)
        await owner.desk.clean(0)
        forgotten = await owner.ask(job(5, key="k"))
        assert forgotten == after, "the log knows it when the job is forgotten"
    assert applied(store) == [5]


@in_virtual_time
async def test_a_key_that_is_sent_while_its_job_is_taken_back_begins_anew() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.hold()
        first = await owner.ask(job(5, key="k"))
        assert isinstance(first, Queued)
        async with store.holding("remove") as removing:
            taking_back = asyncio.create_task(owner.desk.remove(first.change.job_id))
            await removing.wait()
            again = asyncio.create_task(owner.ask(job(5, key="k")))
            await turns()
            assert not again.done()
        await taking_back
        answer = await again
        assert isinstance(answer, Queued)
        assert (answer.replayed, answer.change.job_id) != (True, first.change.job_id)
        assert answer.change.job_id in store.inbox.book.jobs, "what is answered QUEUED is stored"
        await owner.go_on()
        await settled(owner)
    assert applied(store) == [5]


@in_virtual_time
async def test_a_key_whose_job_ends_and_is_forgotten_meanwhile_is_told_its_outcome() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.hold()
        first = await owner.ask(job(5, key="k"))
        assert isinstance(first, Queued)
        async with store.holding("add") as adding:
            again = asyncio.create_task(owner.ask(job(5, key="k")))
            await adding.wait()
            await owner.go_on()
            while store.inbox.book.in_state(JobState.WAITING):  # noqa: ASYNC110 a store has no event
                await asyncio.sleep(0.05)
            await owner.desk.clean(0)
            assert not store.inbox.book.jobs
        answer = await again
        assert isinstance(answer, Updated)
        assert (answer.replayed, answer.change.job_id) == (True, first.change.job_id)
        await settled(owner)
    assert applied(store) == [5]


@in_virtual_time
async def test_a_key_that_the_log_can_not_be_asked_for_is_unknown_and_applied_once() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        store.script("evidence", Fault.REFUSE)
        assert isinstance(await owner.ask(job(5, key="k")), OutcomeUnknown)
        await settled(owner)
        again = await owner.ask(job(5, key="k"))
        assert isinstance(again, Updated)
    assert applied(store) == [5]


@in_virtual_time
async def test_a_job_is_applied_once_though_the_log_breaks_that_is_asked_for_another_s_key() -> (
    None
):
    """What came with the other key is given to the store once more, and may have run by then."""
    store = a_store(3)
    ask, stored_again = store.evidence, asyncio.Event()
    adds = broken = 0

    async def break_once(queries: Sequence[EvidenceQuery]) -> list[Evidence]:
        nonlocal broken
        if not broken and any(each.request_ids for each in queries):
            broken += 1
            raise RuntimeError("whatever a driver may raise")
        return await ask(queries)

    async def travel(method: str) -> None:
        nonlocal adds
        adds += method == "add"
        if method == "note":
            await stored_again.wait()
        elif adds == 6 and not stored_again.is_set():  # the job alone, on its way back
            stored_again.set()
            await asyncio.sleep(1)  # in virtual time: until it has run, and its actor is gone
        await asyncio.sleep(0)

    setattr(store, "evidence", break_once)  # noqa: B010 -- mypy minds the assignment
    async with owner_of(store, idle_s=0.1) as owner:
        store.travel = travel
        kept = await asyncio.gather(owner.ask(job(7, OTHER, key="k")), owner.ask(job(5)))
        assert broken
        assert stored_again.is_set()
        assert isinstance(kept[1], Queued)
        await settled(owner)
    assert applied(store) == [5]
    assert store.orders[ORDER].seq == 1


@in_virtual_time
async def test_a_key_that_is_sent_while_its_order_is_fenced_keeps_the_job_s_place() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.hold()
        ids = [(await owner.ask(job(n, key=f"k{n}"))).change.job_id for n in (1, 2, 3)]  # type: ignore[union-attr]
        keeper = owner.region.jobs
        assert keeper is not None
        del keeper.known[ids[0]]  # as when its order has just been found to be another owner's
        again = await owner.ask(job(1, key="k1"))
        assert isinstance(again, Queued)
        assert again.change.job_id == ids[0]
        assert [each.id for each in store.inbox.book.in_state(JobState.WAITING)] == ids
        await owner.go_on()
