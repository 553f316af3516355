"""What operators do with jobs: take back, clean, look at them, pause one order."""

from __future__ import annotations

import asyncio

import pytest

from actors.domain.messages import Queued, Updated
from actors.domain.model import JobId
from actors.errors import (
    JobNotFound,
    JobStateConflict,
    NotOwner,
    StoreUnavailable,
)
from actors.operators.job_admin import JobCounts
from tests.fakes import Fault
from tests.unit.actors.jobs.test_jobs import applied, job, settled
from tests.unit.actors.jobs.test_jobs_fail import queued, with_dead_letters
from tests.unit.actors.owner import ORDER, OTHER, a_store, owner_of, turns, update
from tests.virtual_time import in_virtual_time

# -- taking back, forgetting -----------------------------------------------------------------


@in_virtual_time
async def test_a_job_that_waits_is_taken_back_and_never_applied() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        outside = [await queued(owner, job(each)) for each in (1, 2)]
        await owner.region.resume()
        await settled(owner)
        await owner.hold()
        inside = [await queued(owner, job(each)) for each in (3, 4)]
        await owner.desk.remove(inside[0])
        with pytest.raises(JobNotFound):
            await owner.desk.remove(inside[0])
        await owner.go_on()
        await settled(owner)
        with pytest.raises(JobStateConflict) as told:
            await owner.desk.remove(outside[0])
        assert isinstance(told.value.result, Updated), "applied, and it says with what outcome"
        assert told.value.result.applied_quantity == 1
    assert applied(store) == [1, 2, 4]


@in_virtual_time
async def test_a_job_outside_the_mailboxes_is_taken_back_too() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        ids = [await queued(owner, job(each)) for each in (1, 2)]
        for each in ids:
            await owner.desk.remove(each)
        assert owner.region.statistics().waiting == 0
        await owner.region.resume()
        await owner.at_rest()
    assert applied(store) == []


@in_virtual_time
async def test_a_job_that_may_have_run_is_not_taken_back() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            active = await queued(owner, job(1))
            await sent.wait()
            with pytest.raises(JobStateConflict) as told:
                await owner.desk.remove(active)
            assert told.value.state == "active"
            await owner.region.pause()
            waiting = await queued(owner, job(2))
        await turns()
    async with owner_of(store) as owner:
        with pytest.raises(JobStateConflict):
            await owner.desk.remove(waiting)
        await owner.region.resume()
        await settled(owner)
    assert applied(store) == [1, 2]


@in_virtual_time
async def test_a_job_whose_removal_failed_is_not_lost_nor_said_to_be_gone() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        job_id = await queued(owner, job(5))
        store.script("remove", Fault.REFUSE)
        with pytest.raises(StoreUnavailable):
            await owner.desk.remove(job_id)
        await owner.region.resume()
        await asyncio.sleep(40)
        await settled(owner)
    assert applied(store) == [5]


@in_virtual_time
async def test_clean_forgets_the_finished_and_never_what_waits() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await with_dead_letters(owner)
        done = await queued(owner, job(2))
        await settled(owner)
        await owner.region.pause()
        waiting = [await queued(owner, job(each)) for each in (7, 8)]
        assert await owner.desk.clean(3_600) == 0
        assert await owner.desk.clean(-1) == 5
        assert [*store.inbox.book.jobs] == waiting
        # What became of it is known from the log.
        found, state = await owner.desk.find(done)
        assert state == "completed"
        assert found.result is not None
        assert found.result.after_quantity == 2
        await owner.region.resume()
        await settled(owner)
    assert applied(store) == [2, 7, 8]


@in_virtual_time
async def test_failed_jobs_are_discarded_by_order_and_by_error_as_they_were_counted() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await with_dead_letters(owner)
        asked = [(OTHER, None, 1), (None, "STORE_REJECTED", 2), (None, None, 1)]
        for order_id, code, failed in asked:
            assert (await owner.desk.counts(order_id, code)).failed == failed
            assert await owner.desk.discard_failed(order_id, code) == failed
        await settled(owner)
    assert store.inbox.book.jobs == {}


@in_virtual_time
async def test_completed_jobs_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.jobs.outcomes.MAX_FINISHED", 10)
    monkeypatch.setattr("actors.jobs.outcomes._BOUND_EVERY", 20)
    store = a_store(3)
    async with owner_of(store) as owner:
        for each in range(100):
            await queued(owner, job(each))
        await settled(owner)
    assert len(store.inbox.book.jobs) < 50


# -- views -----------------------------------------------------------------------------------


@in_virtual_time
async def test_jobs_are_listed_as_they_are_now_in_their_order() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        async with store.holding("commit") as sent:
            active = await queued(owner, job(1))
            await sent.wait()
            waiting = [await queued(owner, job(each)) for each in (2, 3)]
            other = await queued(owner, job(4, OTHER))
            await turns()

            async def ids(state: str, order_id: object = None, page: int = 1) -> object:
                total, found = await owner.desk.page(state, order_id, page, 2)  # type: ignore[arg-type]
                return total, [each.id for each, _ in found]

            assert await ids("active") == (2, [active, other])
            assert await ids("active", OTHER) == (1, [other])
            assert await ids("waiting") == (2, waiting)
            assert await ids("waiting", page=2) == (2, [])
            assert (await owner.desk.find(waiting[0]))[1] == "waiting"
            assert (await owner.desk.find(active))[1] == "active"
            assert await owner.desk.counts() == JobCounts(2, 2, 0, 0, 0, 0)
            assert await owner.desk.counts(OTHER) == JobCounts(0, 1, 0, 0, 0, 0)
        await settled(owner)
        total, found = await owner.desk.page("completed", ORDER, 1, 20)
        assert (total, len(found)) == (3, 3)
        assert (await owner.desk.counts(ORDER)).completed == 3
        with pytest.raises(JobNotFound):
            await owner.desk.find(JobId("0" * 24))


@in_virtual_time
async def test_who_owns_nothing_shows_what_is_stored_and_changes_nothing() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        job_id = await queued(owner, job(1))
        await owner.term.abandon("the lease is lost")
        found, state = await owner.desk.find(job_id)
        assert (found.id, state) == (job_id, "waiting")
        assert (await owner.desk.page("waiting", None, 1, 20))[0] == 1
        assert (await owner.desk.page("active", None, 1, 20))[0] == 0
        assert await owner.desk.counts() == JobCounts(1, 0, 0, 0, 0, 0)
        for call in (
            owner.desk.retry(job_id),
            owner.desk.remove(job_id),
            owner.desk.retry_failed(None, None),
            owner.desk.discard_failed(None, None),
        ):
            with pytest.raises(NotOwner):
                await call


# -- pausing one order -----------------------------------------------------------------------


@in_virtual_time
async def test_one_paused_order_waits_and_the_others_do_not_whoever_owns_them() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.ask(update(0))
        await owner.region.pause_order(ORDER)
        assert isinstance(await owner.ask(update(1)), Queued)
        assert isinstance(await owner.ask(update(1, OTHER)), Updated)
        assert owner.region.statistics().paused_orders == (ORDER,)
        mixed = await owner.region.update_many([update(2), update(2, OTHER)])
        assert [type(each) for each in mixed] == [Queued, Updated]
        await asyncio.sleep(600)  # idle actors go, its own stays
    async with owner_of(store) as owner:
        assert isinstance(await owner.ask(update(3)), Queued)
        await owner.region.pause()
        await owner.region.resume()
        await asyncio.sleep(100)
        assert applied(store) == [0]
        await owner.region.resume_order(ORDER)
        await settled(owner)
        assert isinstance(await owner.ask(update(4)), Updated)
        assert owner.region.statistics().paused_orders == ()
    assert applied(store) == [0, 1, 2, 3, 4]
    assert applied(store, OTHER) == [1, 2]


@in_virtual_time
async def test_resuming_the_whole_resumes_no_paused_order_and_the_other_way_round() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        await owner.region.pause_order(ORDER)
        await owner.ask(update(1))
        await owner.region.resume_order(ORDER)
        await asyncio.sleep(10)
        assert applied(store) == []
        await owner.region.pause_order(ORDER)
        await owner.region.resume()
        await asyncio.sleep(10)
        assert applied(store) == []
        await owner.region.resume_order(ORDER)
        await settled(owner)
    assert applied(store) == [1]


@in_virtual_time
async def test_a_term_with_a_paused_order_finishes_all_others_and_keeps_its_jobs() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.ask(update(0))
        async with store.holding("commit") as sent:
            taken = owner.soon(update(1))
            await sent.wait()
            behind = await queued(owner, job(2))
            other = [owner.soon(update(each, OTHER)) for each in (1, 2)]
            await owner.region.pause_order(ORDER)
        assert isinstance(await taken, Updated)
        owner.region.leave("stopping")
        assert await owner.term.finish(asyncio.get_running_loop().time() + 20)
        assert all(isinstance(each, Updated) for each in await asyncio.gather(*other))
    assert [each.id for each in await store.inbox.waiting()] == [behind]
    assert await store.dirty(10) == []
