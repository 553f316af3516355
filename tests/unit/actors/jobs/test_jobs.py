"""Waiting work: durable before it is accepted, applied in order and once, whoever owns it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actors.domain.job import JobState
from actors.domain.messages import Queued, Updated
from actors.errors import (
    MailboxFull,
    NotApplied,
    OutcomeUnknown,
    StillWaiting,
    StoreUnavailable,
    TooManyActors,
    WorkOrderNotFound,
)
from actors.jobs.keeper import JobOptions
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
    from actors.domain.messages import UpdateQuantity
    from actors.domain.model import WorkOrderId


def job(quantity: float = 1, order_id: WorkOrderId = ORDER, **said: Any) -> UpdateQuantity:  # noqa: ANN401 as it is
    return update(quantity, order_id, wait=False, **said)


def applied(store: MemoryStore, order_id: WorkOrderId = ORDER) -> list[float]:
    return [each.applied_quantity for each in store.written(order_id)]


async def settled(owner: Owner) -> None:
    """Return when no job waits and what became of them is noted."""
    jobs = owner.term.jobs
    async with asyncio.timeout(1_000):
        while jobs.known or not jobs.idle:  # noqa: ASYNC110 counts have no event
            await asyncio.sleep(0.05)
    await owner.at_rest()


# -- accepting -------------------------------------------------------------------------------


@in_virtual_time
async def test_a_job_is_in_the_store_when_it_is_accepted_and_applied_soon_after() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        async with store.holding("add") as adding:
            asked = owner.soon(job(5))
            await adding.wait()
            assert not asked.done()
        message = await asked
        assert isinstance(message, Queued)
        assert message.change.job_id in store.inbox.book.jobs
        await settled(owner)
        kept = store.inbox.book.jobs[message.change.job_id]
        assert kept.state is JobState.COMPLETED
        assert kept.result is not None
        assert (kept.result.after_quantity, kept.result.seq) == (5, 1)
    assert applied(store) == [5]


@in_virtual_time
async def test_while_paused_everything_is_kept_and_applied_in_order_after_the_resume() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.region.pause()
        asked = [owner.ask(update(n, order_number(1 + n % 3))) for n in range(1, 61)]
        assert all(isinstance(each, Queued) for each in await asyncio.gather(*asked))
        await asyncio.sleep(100)
        assert owner.region.statistics().waiting == 60
        assert all(not applied(store, order_number(n)) for n in (1, 2, 3))
        await owner.region.resume()
        await settled(owner)
    for number in (1, 2, 3):
        assert applied(store, order_number(number)) == [
            n for n in range(1, 61) if 1 + n % 3 == number
        ]


@in_virtual_time
async def test_a_call_that_waits_does_not_overtake_a_job_of_its_order() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.hold()
        for n in range(5):
            assert isinstance(await owner.ask(job(n)), Queued)
        waiting = owner.soon(update(100))
        await turns()
        await owner.go_on()
        assert isinstance(await waiting, Updated)
    assert applied(store) == [0, 1, 2, 3, 4, 100]


@in_virtual_time
async def test_a_batch_that_mixes_both_keeps_the_order_of_each_orders_items() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        items = [
            update(1),
            job(2),
            update(3),
            job(10, OTHER),
            job(4),
            update(20, OTHER),
            update(5),
        ]
        answers = await owner.region.update_many(items)
        kinds = [Updated if each.wait else Queued for each in items]
        assert [type(each) for each in answers] == kinds
        await settled(owner)
    assert applied(store) == [1, 2, 3, 4, 5]
    assert applied(store, OTHER) == [10, 20]


@in_virtual_time
async def test_in_a_batch_nothing_of_an_order_overtakes_a_job_that_could_not_be_kept() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        store.script("add", Fault.REFUSE)
        first, second, third = await owner.region.update_many([update(1), job(2), update(3)])
        assert isinstance(first, Updated)
        assert isinstance(second, StoreUnavailable)
        assert isinstance(third, NotApplied)
    assert applied(store) == [1]


@in_virtual_time
async def test_a_full_inbox_refuses_before_anything_is_kept() -> None:
    store = a_store(3)
    async with owner_of(store, JobOptions(size=3)) as owner:
        await owner.region.pause()
        answers = await asyncio.gather(*(owner.ask(job(n)) for n in range(5)))
        assert [type(each) for each in answers] == [Queued] * 3 + [MailboxFull] * 2
        assert len(store.inbox.book.jobs) == 3
        await owner.region.resume()
        await settled(owner)
        assert isinstance(await owner.ask(job(9)), Queued)
        await settled(owner)
    assert applied(store) == [0, 1, 2, 9]


@in_virtual_time
async def test_jobs_find_room_in_a_full_mailbox_and_leave_the_room_of_others() -> None:
    store = a_store(3)
    async with owner_of(store, mailbox_size=2, max_waiting=2) as owner:
        await owner.hold()
        await owner.ask(job(0))
        for n in range(1, 6):
            assert isinstance(await owner.ask(job(n)), Queued)
        assert isinstance(await owner.ask(update(1)), MailboxFull)
        other = [owner.soon(update(7, OTHER)) for _ in range(2)]
        await turns()
        await owner.go_on()
        assert all(isinstance(each, Updated) for each in await asyncio.gather(*other))
        await settled(owner)
    assert applied(store) == [0, 1, 2, 3, 4, 5]


@in_virtual_time
async def test_more_orders_than_actors_may_live_have_their_jobs_applied_in_order() -> None:
    store = a_store(20)
    async with owner_of(store, max_actors=2) as owner:
        await owner.region.pause()
        for n in range(60):
            assert isinstance(await owner.ask(job(n, order_number(1 + n % 20))), Queued)
        await owner.region.resume()
        await settled(owner)
        assert len(owner.directory) <= 2
        assert not isinstance(await owner.ask(job(1)), TooManyActors)
        await settled(owner)
    for number in range(2, 21):
        assert applied(store, order_number(number)) == [number - 1, number + 19, number + 39]


# -- the store, late or away -----------------------------------------------------------------


@in_virtual_time
async def test_a_job_whose_answer_is_lost_is_kept_once_and_accepted() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        store.script("add", Fault.LOSE_ANSWER, Fault.LOSE, Fault.REFUSE)
        assert isinstance(await owner.ask(job(5)), Queued)
        await settled(owner)
    assert applied(store) == [5]


@in_virtual_time
async def test_a_job_that_was_never_sent_is_not_applied() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        store.script("add", Fault.REFUSE)
        assert isinstance(await owner.ask(job(5)), StoreUnavailable)
        assert store.inbox.book.jobs == {}


@in_virtual_time
async def test_a_job_whose_caller_left_unanswered_is_applied_all_the_same() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        store.script("add", *[Fault.LOSE_ANSWER] * 20)
        late = owner.soon(job(5, within=2))
        await turns()
        behind = owner.soon(job(6, within=2))
        assert isinstance(await late, OutcomeUnknown)
        assert isinstance(await behind, (StillWaiting, OutcomeUnknown))
        await settled(owner)
        await asyncio.sleep(60)
    assert applied(store) == [5]


@in_virtual_time
async def test_a_long_outage_delays_jobs_and_makes_no_dead_letter_of_them() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        store.choose = lambda method: Fault.REFUSE if method in ("load", "commit") else None
        for n in range(3):
            assert isinstance(await owner.ask(job(n)), Queued)
        await asyncio.sleep(3_600)
        counts = owner.region.statistics()
        assert (counts.delayed, counts.waiting) == (1, 2)
        total, shown = await owner.desk.page("delayed", None, 1, 20)
        assert (total, [(each.change.quantity, each.attempts) for each, _ in shown]) == (
            1,
            [(0, 0)],
        )
        store.choose = lambda _method: None
        await settled(owner)
    assert applied(store) == [0, 1, 2]


@in_virtual_time
async def test_outcomes_that_can_not_be_noted_at_once_are_noted_later() -> None:
    store = a_store(3)
    async with owner_of(store) as owner:
        store.script("note", Fault.REFUSE, Fault.LOSE, Fault.LOSE_ANSWER)
        message = await owner.ask(job(5))
        assert isinstance(message, Queued)
        await settled(owner)
        assert store.inbox.book.jobs[message.change.job_id].state is JobState.COMPLETED


# -- refused ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_job_of_an_unknown_order_fails_at_once_and_for_good() -> None:
    store = a_store(3)
    nowhere = order_number(99)
    async with owner_of(store) as owner:
        message = await owner.ask(job(5, nowhere))
        assert isinstance(message, Queued)
        await settled(owner)
        kept = store.inbox.book.jobs[message.change.job_id]
        assert (kept.state, kept.dead) == (JobState.FAILED, False)
        assert kept.error is not None
        assert kept.error.code == WorkOrderNotFound.code
        assert len(owner.directory) == 0


@in_virtual_time
async def test_a_batch_that_mixes_both_is_answered_by_its_deadline_however_often_it_changes() -> (
    None
):
    store = a_store(3)
    async with owner_of(store) as owner:
        await owner.ask(update(0))
        began = asyncio.get_running_loop().time()
        async with store.holding("commit"):
            items = [update(1, within=2) if n % 2 else job(1, within=2) for n in range(1, 9)]
            answers = await owner.region.update_many(items)
            assert asyncio.get_running_loop().time() - began < 2.3
        assert isinstance(answers[0], OutcomeUnknown)
        assert all(isinstance(each, StillWaiting) for each in answers[1:])
        await owner.at_rest()
    assert applied(store) == [0, 1]


@pytest.mark.parametrize(
    ("key", "refuse", "state"),
    [
        (None, False, JobState.COMPLETED),
        ("k", False, JobState.FAILED),
        (None, True, JobState.FAILED),
    ],
)
@in_virtual_time
async def test_a_job_that_repeats_a_scan_is_done_unless_it_has_a_key_or_repeats_are_refused(
    key: str | None, *, refuse: bool, state: JobState
) -> None:
    store = a_store(3)
    async with owner_of(store, jobs=JobOptions(refuse_repeats=refuse)) as owner:
        said: dict[str, Any] = {
            "related_barcode": "SN-1",
            "process_step_id": "6560a0000000000000000009",
            "barcode_operation": "SCAN_PROCESS",
        }
        await owner.ask(update(1, **said))
        message = await owner.ask(job(1, key=key, **said))
        assert isinstance(message, Queued)
        await settled(owner)
        kept = store.inbox.book.jobs[message.change.job_id]
        assert (kept.state, kept.dead) == (state, False)
        assert kept.error is not None
        assert kept.error.code == "DUPLICATE_OPERATION"
    assert applied(store) == [1]
