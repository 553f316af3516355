"""Jobs that fail by their own fault: tried again in their place, then dead letters for people."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.domain.job import JOB_UNREADABLE, JobError, JobState
from actors.domain.messages import Queued, Updated
from actors.domain.model import JobId
from actors.errors import (
    JobNotFound,
    JobStateConflict,
    MailboxFull,
    PoisonMessage,
)
from actors.jobs.keeper import JobOptions
from tests.fakes import Fault
from tests.unit.actors.jobs.test_jobs import applied, job, settled
from tests.unit.actors.orders.test_order_crash import (
    POISON,
    dying_after_the_commit,
    dying_on_decide,
)
from tests.unit.actors.owner import ORDER, OTHER, Owner, a_store, owner_of, turns, update
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.job import Job
    from actors.store import ChangeSet
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
async def test_a_job_has_as_many_tries_after_people_let_it_wait_again_as_before() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        first, *_ = await with_dead_letters(owner)
        store.commit_rejects = has_poison
        await owner.desk.retry(first)
        await settled(owner)
        kept = stored(store, first)
    assert (kept.dead, kept.attempts, kept.forgiven, len(kept.failures)) == (True, 6, 3, 6)


@in_virtual_time
async def test_tries_are_the_attempts_that_came_to_an_end_with_the_one_that_settled_it() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        done = await queued(owner, job(1))
        refused = await queued(owner, job(1, "f" * 24))  # type: ignore[arg-type]
        await settled(owner)
    kept = stored(store, done)
    assert (kept.state, kept.attempts, kept.failures) == (JobState.COMPLETED, 1, ())
    kept = stored(store, refused)
    assert (kept.state, kept.attempts) == (JobState.FAILED, 1)
    assert [each.error for each in kept.failures] == [kept.error]


@in_virtual_time
async def test_what_a_crash_took_with_it_is_counted_for_the_next_owner_too() -> None:
    store = a_store(3)
    async with owner_of(store, JobOptions(backoff_s=30)) as owner:
        with dying_on_decide(lambda asked: POISON in asked):
            await owner.hold()
            ids = [await queued(owner, job(each)) for each in (POISON, 2)]
            await turns()
            await owner.go_on()
            await asyncio.sleep(1)
            assert [stored(store, each).attempts for each in ids] == [2, 1]
    async with owner_of(store) as owner:
        found, _ = await owner.desk.find(ids[0])
        assert found.attempts >= 2
        await settled(owner)
    assert [stored(store, each).attempts for each in ids] == [3, 2]
    assert len(stored(store, ids[0]).failures) == 2


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
            assert isinstance(await owner.ask(message), PoisonMessage)
        await asyncio.sleep(10)
        kept = stored(store, message.change.job_id)
        assert (kept.state, kept.dead, kept.attempts) == (JobState.FAILED, True, 3)
        assert len(kept.failures) == 3
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
        assert (retried.id, retried.attempts) == (first, 3)
        await settled(owner)
        kept = stored(store, first)
        assert (kept.state, kept.attempts) == (JobState.COMPLETED, 4)
        assert [each.error.code for each in kept.failures] == ["STORE_REJECTED"] * 3
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
        failed = owner.region.statistics().failed
        await owner.hold()
        assert await owner.desk.retry_failed(order_id, code) == count  # type: ignore[arg-type]
        assert owner.region.statistics().failed == failed - count
        await owner.go_on()
        await settled(owner)
    expected = 0 if code == "WORK_ORDER_NOT_FOUND" else min(count, 3)
    assert len(applied(store)) + len(applied(store, OTHER)) == expected


@in_virtual_time
async def test_all_failed_jobs_are_retried_once_though_they_fail_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.operators.job_admin._RETRIED_AT_ONCE", 2)
    store = a_store(3)
    async with owner_of(store, JobOptions(attempts=1)) as owner:
        store.commit_rejects = has_poison
        ids = [await queued(owner, job(POISON)) for _ in range(7)]
        await settled(owner)
        lost = stored(store, ids[6])
        unreadable = JobError(JOB_UNREADABLE, "type can't be read")
        store.inbox.book.jobs[lost.id] = replace(lost, error=unreadable)
        counts = await owner.desk.counts()
        assert (counts.failed, counts.retryable) == (7, 6)
        assert await owner.desk.retry_failed(None, None) == 6
        await settled(owner)
    assert [stored(store, each).attempts for each in ids] == [2, 2, 2, 2, 2, 2, 1]


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
