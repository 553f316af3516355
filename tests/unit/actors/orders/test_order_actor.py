"""An order's actor: what it decides and answers when the store is slow, gone or changed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from actors.domain.messages import DescribeOrder, Updated
from actors.domain.model import SCAN_PROCESS, Epoch, LogEntry
from actors.errors import (
    DuplicateOperation,
    Fenced,
    NotApplied,
    RequestIdConflict,
    StillWaiting,
    StoreRejected,
    StoreUnavailable,
    WorkOrderNotFound,
)
from actors.orders.order import MAX_TAKEN
from tests.contract.cases import change, decide
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.owner import (
    ORDER,
    OTHER,
    Answer,
    a_store,
    order_number,
    owner_of,
    turns,
    update,
)
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.messages import UpdateQuantity
    from tests.fakes import Method

STEP = "6560a0000000000000000003"


def scan(barcode: str = "SN-1", key: str | None = None) -> UpdateQuantity:
    return update(
        1,
        key=key,
        related_barcode=barcode,
        process_step_id=STEP,
        barcode_operation=SCAN_PROCESS,
    )


def quantities(store: MemoryStore) -> list[float]:
    """Return what the order had after each entry of its log."""
    return [each.after_quantity for each in store.written(ORDER)]


def seqs(answers: list[Answer]) -> list[int]:
    return [each.seq for each in answers if isinstance(each, Updated)]


@in_virtual_time
async def test_an_update_is_answered_with_what_it_did() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        first, second = await owner.ask(update(5)), await owner.ask(update(-9))

    assert isinstance(first, Updated)
    assert isinstance(second, Updated)
    assert (first.before_quantity, first.after_quantity, first.seq) == (0, 5, 1)
    assert (second.before_quantity, second.after_quantity, second.seq) == (5, 0, 2)
    assert (second.applied_quantity, second.replayed, second.epoch) == (-5, False, 1)
    assert quantities(store) == [5, 0]


@in_virtual_time
async def test_messages_that_wait_together_are_committed_together_in_their_order() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        asked = [owner.soon(update(number)) for number in range(1, MAX_TAKEN + 11)]
        answers = await asyncio.gather(*asked)

        assert seqs(answers) == list(range(1, MAX_TAKEN + 11))
        assert store.calls["commit"] == 2
        assert owner.region.statistics().completed == MAX_TAKEN + 10


@in_virtual_time
async def test_different_orders_are_committed_in_one_round_trip() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await asyncio.gather(owner.ask(update(1)), owner.ask(update(1, OTHER)))
        assert store.calls["commit"] == 1


@in_virtual_time
async def test_an_edit_between_reading_and_committing_is_decided_on_again() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(3))
        async with store.holding("commit") as sent:
            asked = owner.soon(update(-5))
            await sent.wait()
            store.edit(ORDER, input_quantity=4)
        answer = await asked

    assert isinstance(answer, Updated)
    assert (answer.before_quantity, answer.applied_quantity, answer.after_quantity) == (4, -4, 0)
    assert store.quantity(ORDER) == 0


@in_virtual_time
async def test_edits_that_never_stop_end_with_not_applied_at_the_deadline() -> None:
    store = a_store(2)
    loop = asyncio.get_running_loop()

    async def edited(method: Method) -> None:
        await asyncio.sleep(0.01)
        if method == "commit" and loop.time() < until:
            store.edit(ORDER, scrap_quantity=store.orders[ORDER].state.scrap_quantity + 1)

    until, store.travel = loop.time() + 30, edited
    async with owner_of(store) as owner:
        answer = await owner.ask(update(5, within=2))
        assert isinstance(answer, StillWaiting)
        await asyncio.sleep(60)
    assert quantities(store) == []


@pytest.mark.parametrize("method", ["load", "evidence", "commit"])
@in_virtual_time
async def test_a_store_that_is_back_before_the_deadline_applies_the_update(method: Method) -> None:
    store = a_store(2)
    store.script(method, *[Fault.REFUSE] * 6)
    async with owner_of(store) as owner:
        answer = await owner.ask(update(5, key="k"))
        assert isinstance(answer, Updated)
        assert owner.region.statistics().delayed == 0
    assert quantities(store) == [5]


@pytest.mark.parametrize("method", ["load", "evidence", "commit"])
@in_virtual_time
async def test_a_store_that_is_gone_until_the_deadline_never_applies_the_update(
    method: Method,
) -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        store.script(method, *[Fault.REFUSE] * 1000)
        began = time.monotonic()
        asked = [owner.soon(update(5, key=f"k{each}", within=3)) for each in range(3)]
        await asyncio.sleep(1)
        assert owner.region.statistics().delayed == 3
        for answer in await asyncio.gather(*asked):
            assert isinstance(answer, StoreUnavailable), answer
        assert time.monotonic() - began == pytest.approx(3, abs=0.3)
        assert owner.region.statistics().failed == 3
        store.faults[method].clear()
        await asyncio.sleep(60)
        assert quantities(store) == []
        assert isinstance(await owner.ask(update(1, key="k0")), Updated)


@in_virtual_time
async def test_who_can_wait_longer_for_the_store_does() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        store.script("commit", *[Fault.REFUSE] * 1000)
        hasty, patient = owner.soon(update(5, within=1)), owner.soon(update(7, within=20))
        assert isinstance(await hasty, StoreUnavailable)
        assert not patient.done()
        store.faults["commit"].clear()
        assert isinstance(await patient, Updated)
    assert quantities(store) == [7]


@in_virtual_time
async def test_everyone_is_told_at_his_own_deadline_that_the_store_is_gone() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        store.script("commit", *[Fault.REFUSE] * 1000)
        patient = owner.soon(update(1, within=60))
        asked = [owner.soon(update(5, within=0.5 + number * 0.9)) for number in range(10)]
        answers = await asyncio.gather(*asked)
        assert [type(each) for each in answers] == [StoreUnavailable] * 10
        store.faults["commit"].clear()
        assert isinstance(await patient, Updated)
    assert quantities(store) == [1]


@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.LOSE_ANSWER, Fault.DELAY])
@in_virtual_time
async def test_a_commit_without_an_answer_is_settled_and_applied_once(fault: Fault) -> None:
    store = a_store(2)
    store.script("commit", fault, Fault.REFUSE, fault)
    async with owner_of(store) as owner:
        answers = await asyncio.gather(*(owner.ask(update(1)) for _ in range(5)))
        store.deliver()
        assert seqs(answers) == [1, 2, 3, 4, 5]
    assert quantities(store) == [1, 2, 3, 4, 5]


@in_virtual_time
async def test_a_lost_commit_that_arrives_after_another_decision_is_applied_once() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(10))
        store.script("commit", Fault.DELAY)
        asked = owner.soon(update(5))
        while not store.late:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        store.edit(ORDER, input_quantity=20)
        answer = await asked
        store.edit(ORDER, input_quantity=10)
        store.deliver()

        assert isinstance(answer, Updated)
        assert (answer.before_quantity, answer.seq) == (20, 2)
    assert [each.seq for each in store.written(ORDER)] == [1, 2]
    assert store.quantity(ORDER) == 10


@in_virtual_time
async def test_a_message_that_the_database_refuses_for_good_fails_alone() -> None:
    store = a_store(2)
    store.commit_rejects = lambda changes: any(
        isinstance(each, LogEntry) and each.applied_quantity == 66 for each in changes.outcomes
    )
    async with owner_of(store) as owner:
        asked = [owner.soon(update(number)) for number in (1, 66, 2)]
        first, culprit, last = await asyncio.gather(*asked)
        assert isinstance(culprit, StoreRejected)
        assert seqs([first, last]) == [1, 2]
        assert isinstance(await owner.ask(update(3)), Updated)
    assert quantities(store) == [1, 3, 6]


@in_virtual_time
async def test_a_deposed_owner_answers_not_applied_and_says_so() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(1))
        successor = Epoch(await store.claim_epoch("other"))
        [order] = await store.load([ORDER])
        assert order is not None
        await store.commit(successor, [decide(order, change(5), epoch=successor)])

        answers = await asyncio.gather(owner.ask(update(7)), owner.ask(update(8)))

        assert all(isinstance(each, Fenced) for each in answers)
        assert owner.deposed == [2]
        assert isinstance(await owner.ask(update(1, OTHER)), Updated), "another's is still ours"
    assert store.quantity(ORDER) == 6


@in_virtual_time
async def test_an_order_that_a_successor_has_taken_is_refused_from_the_start() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        [order] = await store.load([ORDER])
        assert order is not None
        await store.commit(Epoch(9), [decide(order, change(5), epoch=Epoch(9))])
        assert isinstance(await owner.ask(update(7)), Fenced)
        assert owner.deposed == [9]


# -- keys and scans --------------------------------------------------------------------------


@pytest.mark.parametrize("relay", ["held", "done"])
@in_virtual_time
async def test_keys_and_scans_are_known_whether_or_not_the_log_has_them_yet(relay: str) -> None:
    store = a_store(2)
    async with owner_of(store) as owner, store.holding("relay"):
        keyed = await owner.ask(update(5, key="k"))
        scanned = await owner.ask(scan())
        refused = await owner.ask(scan(key="s"))
        if relay == "done":
            store._gates["relay"].set()  # noqa: SLF001
            await owner.at_rest()

        again = await owner.ask(update(5, key="k"))
        assert isinstance(keyed, Updated)
        assert isinstance(again, Updated)
        assert (again.seq, again.replayed, again.change) == (keyed.seq, True, keyed.change)
        assert isinstance(await owner.ask(update(6, key="k")), RequestIdConflict)
        assert isinstance(scanned, Updated)
        assert isinstance(refused, DuplicateOperation)
        assert isinstance(await owner.ask(scan()), DuplicateOperation)
        replayed = await owner.ask(scan(key="s"))
        assert isinstance(replayed, DuplicateOperation)
        assert (refused.replayed, replayed.replayed) == (False, True)
        assert isinstance(await owner.ask(update(-1, related_barcode="SN-1")), Updated)
        assert isinstance(await owner.ask(scan()), Updated)
        still = await owner.ask(scan(key="s"))
        assert isinstance(still, DuplicateOperation), "what was refused once stays refused"
    assert quantities(store) == [5, 6, 5, 6]


@in_virtual_time
async def test_the_same_key_twice_in_one_batch_is_applied_once() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        first, second = await asyncio.gather(
            owner.ask(update(5, key="k")), owner.ask(update(5, key="k"))
        )
        assert isinstance(first, Updated)
        assert isinstance(second, Updated)
        assert (first.seq, second.seq, second.replayed) == (1, 1, True)
    assert quantities(store) == [5]


@in_virtual_time
async def test_a_key_is_known_after_the_actor_was_passivated_and_by_the_next_owner() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(5, key="k"))
        await owner.ask(scan())
        await asyncio.sleep(2_000)
        assert len(owner.directory) == 0
        again = await owner.ask(update(5, key="k"))
        assert isinstance(again, Updated)
        assert again.replayed
    async with owner_of(store) as owner:
        again = await owner.ask(update(5, key="k"))
        assert isinstance(again, Updated)
        assert (again.replayed, again.epoch) == (True, 1)
        assert isinstance(await owner.ask(scan()), DuplicateOperation)
    assert quantities(store) == [5, 6]


@in_virtual_time
async def test_a_refusal_without_a_key_is_decided_on_what_is_stored_now() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(scan())
        store.edit(ORDER, input_quantity=2**53 - 1)
        refused = await owner.ask(scan())
        assert isinstance(refused, DuplicateOperation)
        assert (await owner.ask(update(1))).__class__.__name__ == "QuantityOutOfRange"
        store.edit(ORDER, input_quantity=7)
        assert isinstance(await owner.ask(update(1)), Updated)


# -- orders that are not there ---------------------------------------------------------------


@in_virtual_time
async def test_a_thousand_unknown_ids_leave_no_actor_behind() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        ids = [order_number(number) for number in range(1_000, 2_000)]
        answers = await asyncio.gather(
            *(owner.ask(update(1, each)) for each in ids for _ in range(2))
        )
        assert all(isinstance(each, WorkOrderNotFound) for each in answers)
        await turns(2_000)
        assert len(owner.directory) == 0
        assert owner.supervisor.stats.unknown == 1_000


@in_virtual_time
async def test_an_order_that_was_deleted_is_not_found_and_found_when_made_again() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(5))
        gone = store.orders.pop(ORDER)
        assert isinstance(await owner.ask(update(1)), WorkOrderNotFound)
        store.orders[ORDER] = gone
        assert isinstance(await owner.ask(update(1)), Updated)
    assert quantities(store) == [5, 6]


# -- what an actor says of itself ------------------------------------------------------------


@in_virtual_time
async def test_an_actor_describes_itself_to_operators() -> None:
    store = a_store(2)
    async with owner_of(store) as owner:
        await owner.ask(update(5))
        await owner.ask(scan())
        await owner.ask(scan())
        ref = owner.directory.find(ORDER)
        assert ref is not None
        state = await ref.ask(DescribeOrder(), block=False)
        assert (state.work_order_id, state.loaded, state.seq, state.epoch) == (ORDER, True, 2, 1)
        assert (state.waiting, state.handled, state.failed) == (0, 3, 0)


@in_virtual_time
async def test_an_error_of_the_store_that_nobody_foresaw_is_no_success() -> None:
    store = a_store(2)
    store.commit_rejects = lambda _changes: bool(1 / 0)
    async with owner_of(store) as owner:
        answer = await owner.ask(update(5))
        assert not isinstance(answer, (Updated, NotApplied))
    assert quantities(store) == []
