"""Jobs that fail by their own fault: tried again in their place, then dead letters for people."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.errors import (
    DeadLetter,
    JobNotFound,
    JobStateConflict,
    MailboxFull,
    NotOwner,
    StoreUnavailable,
)
from actors.jobs import JobOptions
from actors.messages import Queued, Updated
from actors.rules import JobId
from actors.store.inbox import JobState
from tests.fakes import Fault
from tests.unit.actors.owner import ORDER, OTHER, Owner, a_store, owner_of, turns, update
from tests.unit.actors.test_jobs import applied, job, settled
from tests.unit.actors.test_order_crash import POISON, dying_after_the_commit, dying_on_decide
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.store import ChangeSet
    from actors.store.inbox import Job
    from tests.fakes import MemoryStore


def has_poison(change: ChangeSet) -> bool:
    return any(each.change.quantity == POISON for each in change.outcomes)


async def queued(owner: Owner, message: object) -> JobId:
    answer = await owner.ask(message)  # type: ignore[arg-type]
    assert isinstance(answer, Queued)
    return answer.change.job_id


def stored(store: MemoryStore, job_id: JobId) -> Job:
    return store.inbox.book.jobs[job_id]


# -- trying again ----------------------------------------------------------------------------


@in_virtual_time
async def test_a_job_that_the_store_rejects_is_tried_three_times_with_growing_pauses() -> None:
    store = a_store(3)
    tried: list[float] = []
    clock = asyncio.get_running_loop().time

    def reject(change: ChangeSet) -> bool:
        tried.append(clock())
        return has_poison(change)

    store.commit_rejects = reject
    async with owner_of(store) as owner:
        job_id = await queued(owner, job(POISON))
        await settled(owner)
    assert [round(each - tried[0]) for each in tried] == [0, 2, 6]
    kept = stored(store, job_id)
    assert (kept.state, kept.dead, kept.attempts) == (JobState.FAILED, True, 3)
    assert kept.error is not None
    assert kept.error.code == "STORE_REJECTED"


@pytest.mark.parametrize("how", ["rejected", "killing"])
@in_virtual_time
async def test_only_its_own_order_waits_for_a_failing_job_and_nothing_overtakes_it(
    how: str,
) -> None:
    store = a_store(3)
    fails = [True]
    store.commit_rejects = lambda each: how == "rejected" and fails[0] and has_poison(each)
    async with owner_of(store) as owner:
        with dying_on_decide(lambda asked: how == "killing" and fails[0] and POISON in asked):
            await owner.hold()
            ids = [await queued(owner, job(each)) for each in (1, POISON, 3)]
            behind = owner.soon(update(4, within=100))
            await turns()
            await owner.go_on()
            await asyncio.sleep(1)
            assert isinstance(await owner.ask(update(1, OTHER)), Updated)
            assert applied(store) == [1]
            counts = owner.region.statistics()
            assert (counts.delayed, counts.waiting, counts.active) == (1, 2, 0)
            found, state = await owner.desk.find(ids[1])
            assert (state, found.attempts) == ("delayed", 1 if how == "rejected" else 2)
            assert found.error is not None
            fails[0] = False
            await settled(owner)
            assert isinstance(await behind, Updated)
    assert applied(store) == [1, POISON, 3, 4]
    assert stored(store, ids[1]).state is JobState.COMPLETED


@in_virtual_time
async def test_a_job_that_kills_its_actor_is_a_dead_letter_after_the_attempts_allowed() -> None:
    store = a_store(3)
    options = JobOptions(attempts=2, backoff_s=30)
    async with owner_of(store, options) as owner:
        with dying_on_decide(lambda asked: POISON in asked):
            job_id = await queued(owner, job(POISON))
            await settled(owner)
        assert owner.supervisor.stats.restarted == 2
        kept = stored(store, job_id)
        assert (kept.state, kept.dead, kept.attempts) == (JobState.FAILED, True, 2)
        assert kept.error is not None
        assert kept.error.code == "DEAD_LETTER"
        assert isinstance(await owner.ask(update(1)), Updated)


@in_virtual_time
async def test_attempts_are_counted_across_owners() -> None:
    store = a_store(3)
    store.commit_rejects = has_poison
    async with owner_of(store) as owner:
        job_id = await queued(owner, job(POISON))
        await asyncio.sleep(3)
        assert stored(store, job_id).attempts == 2
    async with owner_of(store) as owner:
        await settled(owner)
    assert (stored(store, job_id).state, stored(store, job_id).attempts) == ("failed", 3)


@in_virtual_time
async def test_a_job_applied_before_its_actor_died_is_completed_and_applied_once() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        with dying_after_the_commit(times=2):
            ids = [await queued(owner, job(each)) for each in (1, 2)]
            await settled(owner)
        assert {stored(store, each).state for each in ids} == {JobState.COMPLETED}
    assert applied(store) == [1, 2]


@in_virtual_time
async def test_an_update_that_killed_three_actors_is_a_dead_letter_that_survives() -> None:
    store = a_store(3)
    store.script("add", Fault.REFUSE, Fault.LOSE)
    async with owner_of(store) as owner:
        with dying_on_decide(lambda asked: POISON in asked):
            message = update(POISON, key="k")
            assert isinstance(await owner.ask(message), DeadLetter)
        await asyncio.sleep(10)
        kept = stored(store, message.change.job_id)
        assert (kept.state, kept.dead, kept.attempts) == (JobState.FAILED, True, 3)
        await owner.desk.retry(message.change.job_id)
        await settled(owner)
    assert applied(store) == [POISON]


# -- retrying --------------------------------------------------------------------------------


async def with_dead_letters(owner: Owner) -> list[JobId]:
    """Make two dead letters of one order, one of another, and a refused job."""
    owner.store.commit_rejects = has_poison
    ids = [await queued(owner, job(POISON, each)) for each in (ORDER, OTHER, ORDER)]
    ids.append(await queued(owner, job(1, "f" * 24)))  # type: ignore[arg-type]
    await settled(owner)
    owner.store.commit_rejects = lambda _change: False
    return ids


@in_virtual_time
async def test_a_dead_letter_that_is_retried_is_applied_once_under_its_own_id() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        first, *_ = await with_dead_letters(owner)
        retried = await owner.desk.retry(first)
        assert (retried.id, retried.attempts) == (first, 0)
        await settled(owner)
        assert stored(store, first).state is JobState.COMPLETED
        with pytest.raises(JobStateConflict):
            await owner.desk.retry(first)
        with pytest.raises(JobNotFound):
            await owner.desk.retry(JobId("0" * 24))
    assert applied(store) == [POISON]
    assert [each.change.job_id for each in store.written(ORDER)] == [first]


@pytest.mark.parametrize(
    ("order_id", "code", "count"),
    [
        (None, None, 4),
        (ORDER, None, 2),
        (None, "STORE_REJECTED", 3),
        (None, "WORK_ORDER_NOT_FOUND", 1),
        (OTHER, "STORE_REJECTED", 1),
        (OTHER, "WORK_ORDER_NOT_FOUND", 0),
    ],
)
@in_virtual_time
async def test_failed_jobs_are_retried_by_order_and_by_error(
    order_id: object, code: str | None, count: int
) -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await with_dead_letters(owner)
        assert await owner.desk.retry_failed(order_id, code) == count  # type: ignore[arg-type]
        await settled(owner)
    expected = 0 if code == "WORK_ORDER_NOT_FOUND" else min(count, 3)
    assert len(applied(store)) + len(applied(store, OTHER)) == expected


@in_virtual_time
async def test_no_more_are_retried_than_the_inbox_has_room_for() -> None:
    store = a_store(3)
    async with owner_of(store, JobOptions(size=4)) as owner:
        ids = await with_dead_letters(owner)
        await owner.region.pause()
        await owner.ask(job(1))
        await owner.ask(job(2))
        assert await owner.desk.retry_failed(None, "STORE_REJECTED") == 2
        with pytest.raises(MailboxFull):
            await owner.desk.retry(ids[3])
        with pytest.raises(MailboxFull):
            await owner.desk.retry_failed(None, None)


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
        await owner.desk.remove(outside[0])
        assert outside[0] not in store.inbox.book.jobs
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
async def test_completed_jobs_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.job_outcomes.KEPT", 10)
    monkeypatch.setattr("actors.job_outcomes._BOUND_EVERY", 20)
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
        await settled(owner)
        total, found = await owner.desk.page("completed", ORDER, 1, 20)
        assert (total, len(found)) == (3, 3)
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
        for call in (
            owner.desk.retry(job_id),
            owner.desk.remove(job_id),
            owner.desk.retry_failed(None, None),
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
