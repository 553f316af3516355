"""The committer: what is asked together is sent together, and what was sent is settled."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.domain.messages import ReadOrder
from actors.domain.model import Epoch, RequestId
from actors.errors import Fenced, StoreRejected, StoreUnavailable
from actors.store import Committed, EvidenceQuery, Stale
from tests.contract.cases import change, decide, scan
from tests.fakes import Fault
from tests.unit.actors.desk import MINE, Desk
from tests.unit.actors.owner import ORDER, OTHER, order_number
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from actors.domain.model import Change
    from actors.store import ChangeSet, CommitResult


# -- reading ---------------------------------------------------------------------------------


async def left_behind(desk: Desk, made: Change, epoch: int = 1) -> ChangeSet:
    """Commit as an earlier owner did that died before it relayed."""
    [order] = await desk.store.load([ORDER])
    assert order is not None
    changes = decide(order, made, epoch=Epoch(epoch))
    [result] = await desk.store.commit(Epoch(epoch), [changes])
    assert isinstance(result, Committed)
    return changes


@in_virtual_time
async def test_loading_an_order_relays_what_its_last_owner_left_in_the_outbox() -> None:
    desk, made = Desk(), change(5)
    await left_behind(desk, made)

    order = await desk.load()

    assert (order.seq, order.outbox) == (1, ())
    await desk.relayed()
    assert list(desk.store.log[ORDER]) == [made.job_id]


@in_virtual_time
async def test_a_commit_right_after_the_load_keeps_what_the_last_owner_left() -> None:
    desk, made, mine = Desk(), change(5), change(1)
    await left_behind(desk, made)
    desk.store.script("relay", *[Fault.REFUSE] * 5)

    await desk.commit(mine)

    assert desk.jobs() == [made.job_id, mine.job_id]
    assert desk.store.log[ORDER] == {}, "nothing is relayed yet"


@in_virtual_time
async def test_an_order_of_a_higher_epoch_is_not_for_us() -> None:
    desk = Desk()
    await left_behind(desk, change(5), epoch=3)

    with pytest.raises(Fenced):
        await desk.ask(ReadOrder(ORDER))

    assert desk.deposed == [3]
    await desk.relayed()
    assert desk.store.log[ORDER] == {}


@in_virtual_time
async def test_evidence_knows_what_is_committed_and_not_yet_in_the_log() -> None:
    desk, keyed, scanned = Desk(), change(5, key="k"), scan("SN-1")
    query = EvidenceQuery(
        ORDER, frozenset([RequestId("k")]), frozenset(), frozenset([RequestId("SN-1")])
    )
    async with desk.store.holding("relay"):
        await desk.commit(keyed, scanned)
        during = await desk.ask(query)
    await desk.relayed()
    after = await desk.ask(query)

    for evidence in (during, after):
        assert evidence.by_request["k"].change.job_id == keyed.job_id
        assert [each.entry_id for each in evidence.scans.values()] == [scanned.job_id]


@in_virtual_time
async def test_evidence_misses_nothing_that_becomes_durable_while_it_is_gathered() -> None:
    desk, keyed = Desk(), change(5, key="k")
    async with desk.store.holding("relay"):
        await desk.commit(keyed)
        async with desk.store.holding("evidence") as asked:
            found = desk.ask(EvidenceQuery(ORDER, frozenset([RequestId("k")])))
            await asked.wait()
            desk.store._gates["relay"].set()  # noqa: SLF001 the relay is done first
            while len(desk.committer.ledger):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await found).by_request["k"].change.job_id == keyed.job_id


# -- committing ------------------------------------------------------------------------------


@in_virtual_time
async def test_commits_of_one_turn_of_the_loop_share_a_round_trip() -> None:
    desk = Desk()
    for number in range(3, 40):
        desk.store.put(order_number(number))
    orders = [await desk.load(order_number(number)) for number in range(1, 40)]

    results = await asyncio.gather(*(desk.ask(decide(each, change(1))) for each in orders))

    assert all(isinstance(each, Committed) for each in results)
    assert desk.store.calls["commit"] == 1
    assert desk.committer.batch_stats.largest == 39


@in_virtual_time
async def test_a_batch_holds_as_many_entries_as_it_may_and_a_larger_change_set_goes_alone() -> None:
    desk = Desk(batch=3)
    sizes = (2, 1, 2, 5, 1)
    for number, _ in enumerate(sizes, 10):
        desk.store.put(order_number(number))
    orders = [await desk.load(order_number(number)) for number, _ in enumerate(sizes, 10)]

    await asyncio.gather(
        *(
            desk.ask(decide(order, *(change(1) for _ in range(size))))
            for order, size in zip(orders, sizes, strict=True)
        )
    )

    assert desk.store.calls["commit"] == 4  # 2 + 1, 2, 5, 1


@pytest.mark.parametrize(
    "faults",
    [
        [Fault.LOSE],
        [Fault.LOSE_ANSWER],
        [Fault.LOSE, Fault.LOSE, Fault.LOSE_ANSWER, Fault.LOSE],
        [Fault.LOSE, Fault.REFUSE, Fault.REFUSE],
        [Fault.LOSE_ANSWER, Fault.REFUSE, Fault.LOSE],
        [Fault.DELAY, Fault.DELAY, Fault.LOSE_ANSWER],
    ],
    ids=lambda faults: "-".join(each.name for each in faults),
)
@in_virtual_time
async def test_an_unanswered_commit_is_sent_again_until_it_is_applied_once(
    faults: list[Fault],
) -> None:
    desk, made = Desk(), change(5)
    desk.store.script("commit", *faults)

    order = await desk.commit(made)
    desk.store.deliver()

    assert (order.seq, order.revision, order.state.input_quantity) == (1, 1, 5)
    assert desk.jobs() == [made.job_id]
    assert desk.store.quantity(ORDER) == 5
    assert desk.committer.stats.retries == len(faults)


@in_virtual_time
async def test_a_commit_that_was_not_sent_fails_at_once() -> None:
    desk = Desk()
    order = await desk.load()
    desk.store.script("commit", Fault.REFUSE)

    with pytest.raises(StoreUnavailable):
        await desk.ask(decide(order, change(5)))

    assert desk.store.calls["commit"] == 1


@in_virtual_time
async def test_a_lost_attempt_is_burnt_when_only_other_fields_changed_meanwhile() -> None:
    desk, made = Desk(), change(5)
    order = await desk.load()
    desk.store.script("commit", Fault.DELAY)
    desk.store.script("invalidate", Fault.LOSE, Fault.LOSE_ANSWER, Fault.REFUSE)
    async with desk.store.holding("invalidate") as burning:
        asked = desk.ask(decide(order, made))
        while not desk.store.late:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        desk.store.edit(ORDER, status="PAUSED")
        await burning.wait()
    result: CommitResult = await asked
    desk.store.edit(ORDER, status="IN_PROGRESS")  # as it was when the attempt was decided
    desk.store.deliver()

    assert isinstance(result, Stale)
    assert result.current is not None
    assert (result.current.seq, result.current.revision) == (0, 1)
    assert desk.jobs() == []
    assert desk.store.quantity(ORDER) == 0


@in_virtual_time
async def test_a_lost_attempt_that_arrives_before_it_is_burnt_counts() -> None:
    desk, made = Desk(), change(5)
    order = await desk.load()
    desk.store.script("commit", Fault.DELAY)
    async with desk.store.holding("invalidate") as burning:
        asked = desk.ask(decide(order, made))
        while not desk.store.late:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        desk.store.edit(ORDER, scrap_quantity=1)
        await burning.wait()
        desk.store.edit(ORDER, scrap_quantity=0)
        desk.store.deliver()

    assert isinstance(await asked, Committed)
    assert desk.jobs() == [made.job_id]


@in_virtual_time
async def test_a_lost_attempt_on_an_order_that_carries_a_higher_epoch_is_not_tried_for_ever() -> (
    None
):
    desk = Desk()
    order = await desk.load()
    desk.store.script("commit", Fault.LOSE)
    asked = desk.ask(decide(order, change(5)))
    desk.store.orders[ORDER] = replace(order, epoch=9)  # as a backup brings it back

    async with asyncio.timeout(5):
        with pytest.raises(Fenced):
            await asked


@in_virtual_time
async def test_an_edit_without_a_lost_attempt_needs_no_burn() -> None:
    desk = Desk()
    order = await desk.load()
    desk.store.edit(ORDER, scrap_quantity=1)

    assert isinstance(await desk.ask(decide(order, change(5))), Stale)
    assert desk.store.calls["invalidate"] == 0


@in_virtual_time
async def test_a_stale_order_of_a_higher_epoch_means_that_we_are_deposed() -> None:
    desk = Desk()
    order = await desk.load()
    other = await desk.load(OTHER)
    await left_behind(desk, change(5), epoch=7)

    mine, theirs = await desk.ask_all(decide(other, change(1)), decide(order, change(1)))

    assert isinstance(mine, Committed)
    assert isinstance(theirs, Fenced)
    assert (theirs.mine, theirs.seen, desk.deposed) == (MINE, 7, [7])


@in_virtual_time
async def test_a_change_set_that_is_refused_for_good_fails_alone() -> None:
    desk = Desk()
    order, other = await desk.load(), await desk.load(OTHER)
    desk.store.commit_rejects = lambda changes: changes.before.id == ORDER

    bad, good = await desk.ask_all(decide(order, change(1)), decide(other, change(1)))

    assert isinstance(bad, StoreRejected)
    assert isinstance(good, Committed)


@in_virtual_time
async def test_a_store_that_raises_what_it_should_not_leaves_nobody_without_an_answer() -> None:
    desk = Desk()
    order = await desk.load()
    desk.store.commit_rejects = lambda changes: bool(1 / (changes.before.revision - order.revision))

    with pytest.raises(ZeroDivisionError):
        await desk.ask(decide(order, change(1)))
    desk.store.commit_rejects = lambda _changes: False
    await desk.commit(change(1))
