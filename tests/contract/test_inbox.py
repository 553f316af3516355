"""The inbox of every store: what is accepted is kept, in order, once, and bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from actors.domain.job import (
    JOB_UNREADABLE,
    MAX_FAILURES,
    Failure,
    Job,
    JobError,
    JobState,
    Position,
    Progress,
)
from actors.domain.messages import Updated
from actors.domain.model import ChangeType, Epoch, Trace
from actors.errors import StoreUnavailable
from actors.store.jobs import JobQuery, StoredJobs
from tests.contract.cases import LATEST, applied, change, loaded, new_order_id, scan, tick

if TYPE_CHECKING:
    from actors.domain.model import Change, WorkOrderId
    from actors.store import Store
    from tests.contract.conftest import Database

ORDER = new_order_id()
OTHER = new_order_id()


def a_job(n: int, made: Change | None = None, order_id: WorkOrderId = ORDER, epoch: int = 1) -> Job:
    return Job(
        order_id, made or change(n), Position(epoch, n), tick(), Trace("request-1", "00-1-2-03")
    )


def result_of(job: Job) -> Updated:
    return Updated(job.change, job.work_order_id, 7, 1, 2.5, 1, 3.5, "PAUSED", None, 0, 40)


def completed(job: Job) -> Progress:
    return Progress(job.id, JobState.COMPLETED, tick(), 1, result=result_of(job))


def refused(job: Job, code: str = "DUPLICATE_OPERATION") -> Progress:
    return Progress(job.id, JobState.FAILED, tick(), 1, JobError(code, "counted"))


def dead(job: Job, code: str = "DEAD_LETTER") -> Progress:
    return Progress(job.id, JobState.FAILED, tick(), 3, JobError(code, "gave up"), dead=True)


async def owned(store: Store) -> Epoch:
    return await store.claim_epoch("node-a")


# -- accepting -------------------------------------------------------------------------------


async def test_what_is_added_is_read_back_as_it_was_by_another_store(
    database: Database, store: Store
) -> None:
    epoch = await owned(store)
    jobs = [
        a_job(1, change(0.25, ChangeType.OUTPUT, key="k", remark="备注", is_automatic=False)),
        a_job(2, scan("SN-1")),
        a_job(3, change(originals=(("source", "PHONE"),)), order_id=OTHER),
    ]
    assert await store.inbox.add(epoch, jobs) == jobs
    await store.close()
    async with database.opened() as other:
        assert await other.inbox.waiting() == jobs
        assert await other.inbox.find(jobs[1].id) == jobs[1]
        assert await other.inbox.waiting_ids() == [job.id for job in jobs]


async def test_waiting_jobs_are_in_the_order_of_epochs_and_counts(store: Store) -> None:
    await owned(store)
    epoch = await owned(store)
    places = [(2, 1), (1, 10), (2, 2), (1, 9)]
    await store.inbox.add(epoch, [a_job(n, epoch=old) for old, n in places])
    found = [job.position for job in await store.inbox.waiting()]
    assert found == [(1, 9), (1, 10), (2, 1), (2, 2)]


async def test_the_same_jobs_added_again_are_there_once_and_as_they_have_become(
    store: Store,
) -> None:
    epoch = await owned(store)
    first, second = a_job(1), a_job(2, change(key="k"))
    await store.inbox.add(epoch, [first, second])
    await store.inbox.note(LATEST, [completed(first)])
    again = await store.inbox.add(epoch, [first, second, third := a_job(3)])
    assert [job.state for job in again] == ["completed", "waiting", "waiting"]
    assert await store.inbox.waiting() == [second, third]


async def test_a_key_that_waits_already_gives_the_job_that_has_it(store: Store) -> None:
    epoch = await owned(store)
    first, elsewhere = a_job(1, change(1, key="k")), a_job(2, change(2, key="k"), OTHER)
    await store.inbox.add(epoch, [first])
    same, other, plain = await store.inbox.add(
        epoch, [a_job(3, change(3, key="k")), elsewhere, a_job(4)]
    )
    assert (same, other, plain.position) == (first, elsewhere, (1, 4))
    assert len(await store.inbox.waiting()) == 3


async def test_one_key_twice_in_one_call_is_one_job(store: Store) -> None:
    jobs = [a_job(1, change(1, key="k")), a_job(2, change(1, key="k"))]
    first, second = await store.inbox.add(await owned(store), jobs)
    assert first == second
    assert len(await store.inbox.waiting()) == 1


async def test_a_key_can_be_used_again_once_its_job_is_forgotten(store: Store) -> None:
    epoch = await owned(store)
    first, second = a_job(1, change(key="k")), a_job(2, change(key="k"))
    await store.inbox.add(epoch, [first])
    assert await store.inbox.remove(LATEST, first.id, JobState.WAITING)
    assert await store.inbox.add(epoch, [second]) == [second]


# -- outcomes --------------------------------------------------------------------------------


async def test_what_became_of_a_job_is_kept_with_it(store: Store) -> None:
    epoch = await owned(store)
    jobs = [a_job(n) for n in range(1, 5)]
    await store.inbox.add(epoch, jobs)
    failures = tuple(Failure(tick(), JobError("STORE_REJECTED", str(n))) for n in range(2))
    tried = Progress(jobs[3].id, JobState.WAITING, tick(), 2, failures[1].error, failures=failures)
    done, no, gone = completed(jobs[0]), refused(jobs[1]), dead(jobs[2])
    await store.inbox.note(LATEST, [done, no, gone, tried])

    found = [await store.inbox.find(job.id) for job in jobs]
    assert found == [
        replace(
            jobs[0],
            state=JobState.COMPLETED,
            attempts=1,
            result=result_of(jobs[0]),
            finished_at=done.at,
        ),
        replace(jobs[1], state=JobState.FAILED, attempts=1, error=no.error, finished_at=no.at),
        replace(
            jobs[2],
            state=JobState.FAILED,
            attempts=3,
            error=gone.error,
            dead=True,
            finished_at=gone.at,
        ),
        replace(jobs[3], attempts=2, error=tried.error, failures=failures),
    ]
    assert await store.inbox.waiting() == [found[3]]


async def test_the_first_outcome_of_a_job_stays_unless_it_turns_out_to_be_applied(
    store: Store,
) -> None:
    epoch = await owned(store)
    one, two = a_job(1), a_job(2)
    await store.inbox.add(epoch, [one, two])
    await store.inbox.note(LATEST, [completed(one), refused(two)])
    await store.inbox.note(LATEST, [dead(one), dead(two)])
    late = Progress(one.id, JobState.WAITING, tick(), 1, JobError("X", "late"))
    await store.inbox.note(LATEST, [late])
    first, second = await store.inbox.find(one.id), await store.inbox.find(two.id)
    assert first is not None
    assert second is not None
    assert (first.state, second.state, second.dead) == ("completed", "failed", False)
    await store.inbox.note(LATEST, [completed(two)])
    applied_after_all = await store.inbox.find(two.id)
    assert applied_after_all is not None
    assert applied_after_all.state is JobState.COMPLETED


async def test_noting_a_job_that_is_gone_is_no_error(store: Store) -> None:
    await store.inbox.note(LATEST, [completed(a_job(1)), dead(a_job(2))])
    await store.inbox.note(LATEST, [])
    assert await store.inbox.waiting() == []


# -- again -----------------------------------------------------------------------------------


async def test_a_failed_job_that_is_requeued_waits_anew_at_its_new_place(store: Store) -> None:
    epoch = await owned(store)
    one, two, three = (a_job(n) for n in (1, 2, 3))
    await store.inbox.add(epoch, [one, two, three])
    gone = dead(one)
    failures = tuple(Failure(tick(), JobError("X", str(n))) for n in range(12))
    await store.inbox.note(LATEST, [replace(gone, failures=failures), completed(two)])
    places = {job.id: Position(1, 10 + n) for n, job in enumerate((one, two, three))}

    moved = await store.inbox.requeue(LATEST, places, JobState.FAILED)

    assert [(job.id, job.position, job.dead) for job in moved] == [(one.id, (1, 10), False)]
    assert (moved[0].attempts, moved[0].forgiven) == (3, 3), "tried before, and it counts anew"
    assert moved[0].failures[-MAX_FAILURES:] == failures[-MAX_FAILURES:]
    assert [job.id for job in await store.inbox.waiting()] == [three.id, one.id]
    other_places = {job_id: Position(1, place.n + 10) for job_id, place in places.items()}
    assert await store.inbox.requeue(LATEST, other_places, JobState.FAILED) == []


async def test_a_waiting_job_that_is_moved_keeps_its_attempts(store: Store) -> None:
    epoch = await owned(store)
    one, two = a_job(1), a_job(2)
    await store.inbox.add(epoch, [one, two])
    await store.inbox.note(
        LATEST, [Progress(one.id, JobState.WAITING, tick(), 2, JobError("X", "y"))]
    )
    [moved] = await store.inbox.requeue(LATEST, {one.id: Position(2, 1)}, JobState.WAITING)
    assert (moved.position, moved.attempts, moved.forgiven) == ((2, 1), 2, 0)
    assert [job.id for job in await store.inbox.waiting()] == [two.id, one.id]
    assert await store.inbox.requeue(LATEST, {}, JobState.WAITING) == []


# -- for operators ---------------------------------------------------------------------------


async def test_pages_are_filtered_and_finished_jobs_are_newest_first(store: Store) -> None:
    epoch = await owned(store)
    jobs = [a_job(n, order_id=OTHER if n % 2 else ORDER) for n in range(6)]
    await store.inbox.add(epoch, jobs)
    await store.inbox.note(LATEST, [dead(jobs[n], "A" if n < 2 else "B") for n in range(4)])

    async def ids(query: JobQuery) -> tuple[int, list[int]]:
        page = await store.inbox.page(query)
        return page.total, [job.position.n for job in page.jobs]

    failed = JobQuery(JobState.FAILED)
    assert await ids(failed) == (4, [3, 2, 1, 0])
    assert await ids(replace(failed, page=2, page_size=3)) == (4, [0])
    assert await ids(replace(failed, work_order_id=OTHER)) == (2, [3, 1])
    assert await ids(replace(failed, dead=True)) == (4, [3, 2, 1, 0])
    assert await ids(replace(failed, dead=False)) == (0, [])
    assert await ids(replace(failed, error_code="A")) == (2, [1, 0])
    assert await ids(replace(failed, error_code="A", work_order_id=ORDER)) == (1, [0])
    assert await ids(JobQuery(JobState.WAITING)) == (2, [4, 5])
    assert await ids(JobQuery(JobState.COMPLETED)) == (0, [])


async def test_jobs_are_counted_by_state_as_pages_have_them(store: Store) -> None:
    epoch = await owned(store)
    assert await store.inbox.counts() == StoredJobs()
    jobs = [a_job(n, order_id=OTHER if n % 2 else ORDER) for n in range(8)]
    await store.inbox.add(epoch, jobs)
    failed = [dead(jobs[0], "A"), refused(jobs[1], "B"), dead(jobs[2], JOB_UNREADABLE)]
    await store.inbox.note(LATEST, [*failed, completed(jobs[3]), completed(jobs[4])])

    assert await store.inbox.counts() == StoredJobs(3, 2, 3, 1)
    assert await store.inbox.counts(OTHER) == StoredJobs(2, 1, 1, 0)
    assert await store.inbox.counts(error_code="A") == StoredJobs(failed=1)
    assert await store.inbox.counts(OTHER, "A") == StoredJobs()
    assert await store.inbox.counts(ORDER, JOB_UNREADABLE) == StoredJobs(failed=1, unreadable=1)


async def test_failed_jobs_are_discarded_by_filter_and_nothing_else_is(store: Store) -> None:
    epoch = await owned(store)
    jobs = [a_job(n, order_id=OTHER if n % 2 else ORDER) for n in range(8)]
    await store.inbox.add(epoch, jobs)
    codes = ("A", "A", "B", "B", "A")
    await store.inbox.note(LATEST, [dead(jobs[n], code) for n, code in enumerate(codes)])
    await store.inbox.note(LATEST, [completed(jobs[5])])
    limit = tick()
    await store.inbox.note(LATEST, [dead(jobs[6], "A")])
    failed = JobQuery(JobState.FAILED, finished_before=limit)
    of_one = replace(failed, error_code="A", work_order_id=ORDER)

    assert await store.inbox.discard(LATEST, JobQuery(JobState.WAITING)) == 0
    assert await store.inbox.discard(LATEST, of_one) == 2
    assert await store.inbox.discard(LATEST, replace(failed, error_code="B", page_size=1)) == 2
    assert await store.inbox.discard(LATEST, failed) == 1
    assert await store.inbox.discard(LATEST, failed) == 0
    assert await store.inbox.counts() == StoredJobs(waiting=1, completed=1, failed=1)


async def test_a_page_of_large_jobs_ends_early(store: Store) -> None:
    epoch = await owned(store)
    jobs = [a_job(n, change(n, remark="x" * 5_000)) for n in range(120)]
    await store.inbox.add(epoch, jobs)
    for max_bytes, most, least in ((1, 1, 1), (50_000, 10, 8), (None, 120, 120)):
        query = JobQuery(JobState.WAITING, page_size=1000, max_bytes=max_bytes)
        page = await store.inbox.page(query)
        assert page.total == 120
        assert least <= len(page.jobs) <= most
        assert [job.position.n for job in page.jobs] == list(range(len(page.jobs)))


async def test_a_job_is_removed_only_in_the_state_that_is_named(store: Store) -> None:
    epoch = await owned(store)
    job = a_job(1)
    await store.inbox.add(epoch, [job])
    assert not await store.inbox.remove(LATEST, job.id, JobState.FAILED)
    assert await store.inbox.remove(LATEST, job.id, JobState.WAITING)
    assert not await store.inbox.remove(LATEST, job.id, JobState.WAITING)
    assert await store.inbox.find(job.id) is None


async def test_cleaning_forgets_what_finished_before_and_never_what_waits(store: Store) -> None:
    epoch = await owned(store)
    jobs = [a_job(n) for n in range(5)]
    await store.inbox.add(epoch, jobs)
    early = [completed(jobs[0]), refused(jobs[1]), dead(jobs[2])]
    await store.inbox.note(LATEST, early)
    limit = tick()
    await store.inbox.note(LATEST, [completed(jobs[3])])

    assert await store.inbox.forget(LATEST, limit) == 3
    assert await store.inbox.forget(LATEST, limit) == 0
    assert await store.inbox.find(jobs[3].id) is not None
    assert [job.id for job in await store.inbox.waiting()] == [jobs[4].id]
    await store.inbox.forget(LATEST, tick() + timedelta(days=1))
    assert [job.id for job in await store.inbox.waiting()] == [jobs[4].id]


async def test_bounding_forgets_the_oldest_and_neither_waiting_jobs_nor_dead_letters(
    store: Store,
) -> None:
    epoch = await owned(store)
    jobs = [a_job(n) for n in range(12)]
    await store.inbox.add(epoch, jobs)
    for n in range(4):
        await store.inbox.note(LATEST, [completed(jobs[n]), refused(jobs[4 + n])])
    await store.inbox.note(LATEST, [dead(jobs[n]) for n in (8, 9, 10)])

    await store.inbox.bound(LATEST, 5)
    assert (await store.inbox.page(JobQuery(JobState.COMPLETED))).total == 4
    await store.inbox.bound(LATEST, 2)

    pages = {state: await store.inbox.page(JobQuery(state)) for state in JobState}
    assert [job.position.n for job in pages[JobState.COMPLETED].jobs] == [3, 2]
    assert sorted(job.position.n for job in pages[JobState.FAILED].jobs) == [6, 7, 8, 9, 10]
    assert [job.position.n for job in pages[JobState.WAITING].jobs] == [11]


async def test_the_outcome_of_a_job_is_found_in_the_log_by_its_id_alone(
    store: Store, order_id: WorkOrderId
) -> None:
    made = change(2)
    await applied(store, order_id, made)
    outcome = await store.inbox.outcome(made.job_id)
    assert outcome is not None
    assert (outcome.work_order_id, outcome.change.quantity) == (order_id, 2)
    assert await store.inbox.outcome(change().job_id) is None


# -- pausing ---------------------------------------------------------------------------------


async def test_paused_orders_survive_a_restart_and_are_apart_from_the_pause_of_all(
    database: Database, store: Store
) -> None:
    assert await store.inbox.paused_orders() == frozenset()
    for order_id in (ORDER, OTHER, ORDER):
        await store.inbox.set_order_paused(LATEST, order_id, paused=True)
    await store.set_paused(LATEST, paused=True)
    await store.close()
    async with database.opened() as other:
        assert await other.inbox.paused_orders() == {ORDER, OTHER}
        await other.inbox.set_order_paused(LATEST, ORDER, paused=False)
        await other.inbox.set_order_paused(LATEST, ORDER, paused=False)
        assert await other.paused()
        await other.set_paused(LATEST, paused=False)
        assert await other.inbox.paused_orders() == {OTHER}


@pytest.mark.adapters
async def test_a_closed_inbox_is_unavailable(store: Store, order_id: WorkOrderId) -> None:
    await loaded(store, order_id)
    await store.close()
    for call in (
        store.inbox.waiting(),
        store.inbox.add(Epoch(1), [a_job(1)]),
        store.inbox.note(LATEST, [completed(a_job(1))]),
        store.inbox.find(a_job(1).id),
        store.inbox.paused_orders(),
    ):
        with pytest.raises(StoreUnavailable):
            await call
