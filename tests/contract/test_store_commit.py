"""A commit is one compare-and-set per order: all of a change set, once, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.errors import StoreRejected
from actors.store import ChangeSet, Committed, Stale
from tests.contract.cases import (
    FIRST,
    SECOND,
    applied,
    change,
    commit_one,
    committed,
    decide,
    jobs,
    loaded,
    logged_jobs,
    new_order_id,
    order_document,
    output,
    scan,
    tick,
    whole_log,
)

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor
    from tests.contract.conftest import Database


async def test_a_commit_moves_the_order_and_leaves_its_log(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    before = await loaded(store, order_id)
    first, second, third = change(5), output(2), change(-1)

    made = await applied(store, before, first, second, third, epoch=SECOND)

    assert (before.seq, before.revision, before.adopted) == (0, 0, False)
    after = made.order
    assert (after.seq, after.revision, after.epoch, after.adopted) == (3, 1, 2, True)
    assert (after.state.input_quantity, after.state.output_quantity) == (4, 2)
    assert after.state.progress == 2
    stored = backdoor.order(order_id)
    assert (stored["inputQuantity"], stored["outputQuantity"], stored["progress"]) == (4, 2, 2)
    assert await logged_jobs(store, order_id) == jobs(first, second, third)
    assert [each["beforeQuantity"] for each in await whole_log(store, order_id)] == [5, 0, 0]
    assert [each["afterQuantity"] for each in await whole_log(store, order_id)] == [4, 2, 5]


async def test_the_order_given_back_is_the_order_a_reader_loads(
    store: Store, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(5), output(2))

    read = await loaded(store, order_id)
    assert replace(made.order, outbox=()) == replace(read, outbox=())

    again = await applied(store, made.order, output(3))
    read = await loaded(store, order_id)
    assert replace(again.order, outbox=()) == replace(read, outbox=())


async def test_commits_go_on_from_the_order_given_back(store: Store, order_id: WorkOrderId) -> None:
    order = await loaded(store, order_id)
    for number in range(1, 6):
        order = (await applied(store, order, change(number))).order

    assert (order.seq, order.revision, order.state.input_quantity) == (5, 5, 15)
    assert [each["afterQuantity"] for each in await whole_log(store, order_id)] == [15, 10, 6, 3, 1]


async def test_what_was_decided_on_an_older_state_is_stale(
    store: Store, order_id: WorkOrderId
) -> None:
    old = await loaded(store, order_id)
    winner = await applied(store, old, change(5))

    result = await commit_one(store, decide(old, change(7)))

    assert isinstance(result, Stale)
    assert result.current is not None
    assert (result.current.seq, result.current.revision) == (1, 1)
    assert result.current.state.input_quantity == 5
    assert await logged_jobs(store, order_id) == [winner.changes.outcomes[0].change.job_id]


async def test_a_change_decided_again_is_logged_as_decided_last(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    again = change(5, key="k")
    stale = decide(await loaded(store, order_id), change(1), again)
    backdoor.edit_order(order_id, {"inputQuantity": 40})
    assert isinstance(await commit_one(store, stale), Stale)

    made = await applied(store, order_id, again)

    [row] = await whole_log(store, order_id)
    assert (row["beforeQuantity"], row["afterQuantity"]) == (40, 45)
    [stored] = backdoor.logs(order_id)
    assert stored["planServer"]["seq"] == made.order.seq == 1


async def test_changes_that_cancel_out_are_no_way_back_to_an_older_state(
    store: Store, order_id: WorkOrderId
) -> None:
    old = await loaded(store, order_id)
    late = decide(old, change(7))
    made = await applied(store, old, change(5), change(-5))
    assert made.order.state == old.state

    assert isinstance(await commit_one(store, late), Stale)


@pytest.mark.parametrize("relayed", [True, False])
async def test_committing_the_same_again_answers_committed_and_applies_nothing(
    store: Store, order_id: WorkOrderId, *, relayed: bool
) -> None:
    made = await applied(store, order_id, change(5), output(1), relayed=relayed)

    result = await commit_one(store, made.changes)

    assert isinstance(result, Committed)
    assert replace(result.order, outbox=()) == replace(made.order, outbox=())
    assert (await loaded(store, order_id)).state.input_quantity == 5
    assert len(await whole_log(store, order_id)) == 2


async def test_committing_the_same_again_after_later_commits_gives_the_order_of_now(
    store: Store, order_id: WorkOrderId
) -> None:
    first = await applied(store, order_id, change(5))
    second = await applied(store, first.order, change(1))
    await store.trim(FIRST, [second.order])
    third = await applied(store, second.order, change(1))

    result = await commit_one(store, first.changes)

    assert isinstance(result, Committed)
    assert (result.order.seq, result.order.state.input_quantity) == (3, 7)
    assert (await loaded(store, order_id)).seq == third.order.seq
    assert len(await whole_log(store, order_id)) == 3


async def test_committing_the_same_again_while_only_the_outbox_has_it(
    store: Store, order_id: WorkOrderId
) -> None:
    first = await applied(store, order_id, change(5), relayed=False)
    second = decide(first.order, change(1), carried=first.changes.outcomes)
    await committed(store, second, relayed=False)

    result = await commit_one(store, first.changes)

    assert isinstance(result, Committed)
    assert (result.order.seq, result.order.state.input_quantity) == (2, 6)


async def test_committing_the_same_again_by_another_owner_is_known_as_applied(
    store: Store, order_id: WorkOrderId
) -> None:
    first = await applied(store, order_id, change(5))
    await applied(store, first.order, change(1), epoch=SECOND)

    result = await commit_one(store, first.changes, FIRST)

    assert isinstance(result, Committed)
    assert result.order.epoch == SECOND


async def test_a_refusal_is_kept_and_changes_nothing_of_the_order(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    untouched = backdoor.order(order_id)
    before = await loaded(store, order_id)
    refused = decide(before, refused=[scan(key="again")])

    after = await committed(store, refused)

    assert (after.seq, after.revision) == (0, 1)
    assert await whole_log(store, order_id) == []
    assert backdoor.refusals(order_id) == [refused.outcomes[0].change.job_id]
    stored = backdoor.order(order_id)
    stored.pop("planServer")
    assert stored == untouched
    result = await commit_one(store, refused)
    assert isinstance(result, Committed)
    assert (result.order.seq, result.order.revision) == (0, 1)


async def test_entries_and_refusals_go_together(store: Store, order_id: WorkOrderId) -> None:
    before = await loaded(store, order_id)
    made = decide(before, scan(key="one"), refused=[scan(key="two")])

    after = await committed(store, made)

    assert (after.seq, after.revision) == (1, 1)
    assert await logged_jobs(store, order_id) == [made.outcomes[0].change.job_id]


async def test_an_order_that_was_deleted_meanwhile_is_stale_without_current(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    before = await loaded(store, order_id)
    backdoor.delete_order(order_id)

    assert await commit_one(store, decide(before, change(1))) == Stale(None)
    assert await store.load([order_id]) == [None]
    assert await whole_log(store, order_id) == []


async def test_many_orders_in_one_batch_are_settled_each_by_itself(
    store: Store, backdoor: Backdoor
) -> None:
    documents = [order_document() for _ in range(60)]
    for document in documents:
        backdoor.put_order(document)
    ids = [document["_id"] for document in documents]
    orders = await store.load(ids)
    changes = [decide(order, change(2), output(1)) for order in orders if order is not None]
    already, moved, gone = changes[0:60:5], changes[1:60:5], changes[2:60:5]
    for each in already:
        await committed(store, each)
    for each in moved:
        await committed(store, decide(each.before, change(1)))
    for each in gone:
        backdoor.delete_order(each.before.id)

    results = await store.commit(FIRST, changes)
    await store.relay(
        [one for each in changes for one in each.outcomes if each not in moved + gone]
    )

    for each, result in zip(changes, results, strict=True):
        if each in moved:
            assert isinstance(result, Stale)
            assert result.current is not None
            assert result.current.state.input_quantity == 1
        elif each in gone:
            assert result == Stale(None)
        else:
            assert isinstance(result, Committed)
            assert (result.order.id, result.order.seq) == (each.before.id, 2)
            assert result.order.state.input_quantity == 2
            assert len(await whole_log(store, each.before.id)) == 2


async def test_an_empty_batch_is_no_error(store: Store) -> None:
    assert list(await store.commit(FIRST, [])) == []
    assert list(await store.load([])) == []
    assert list(await store.evidence([])) == []
    await store.relay([])
    await store.trim(FIRST, [])


@pytest.mark.adapters
async def test_a_change_set_that_no_database_can_hold_fails_alone(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    other = order_document()
    backdoor.put_order(other)
    lone_surrogate = decide(await loaded(store, order_id), change(1, remark="\ud800"))
    sound = decide(await loaded(store, other["_id"]), change(1))

    rejected, done = await store.commit(FIRST, [lone_surrogate, sound])

    assert isinstance(rejected, StoreRejected)
    assert isinstance(done, Committed)
    assert (await loaded(store, order_id)).seq == 0
    assert await whole_log(store, order_id) == []


async def test_of_two_commits_on_one_state_one_wins(
    database: Database, store: Store, order_id: WorkOrderId
) -> None:
    order = await loaded(store, order_id)
    async with database.opened() as other:
        for number in range(5):
            rivals = [decide(order, change(number)), decide(order, output(number))]
            [one], [two] = (
                await store.commit(FIRST, rivals[:1]),
                await other.commit(FIRST, rivals[1:]),
            )
            assert {type(one), type(two)} == {Committed, Stale}
            winner = one if isinstance(one, Committed) else two
            assert isinstance(winner, Committed)
            await store.relay(rivals[0 if winner is one else 1].outcomes)
            order = winner.order
    assert order.seq == len(await whole_log(store, order_id)) == 5


async def test_an_order_that_is_not_there_is_loaded_as_none(
    store: Store, order_id: WorkOrderId
) -> None:
    missing = new_order_id()
    found = await store.load([missing, order_id, missing])
    assert [None if each is None else each.id for each in found] == [None, order_id, None]


async def test_a_change_set_without_outcomes_compares_and_sets_all_the_same(
    store: Store, order_id: WorkOrderId
) -> None:
    before = await loaded(store, order_id)
    made = await applied(store, before, change(1))
    nothing = ChangeSet(made.order, made.order.state, (), made.changes.outcomes, tick())

    result = await commit_one(store, nothing)

    assert isinstance(result, Committed)
    assert (result.order.seq, result.order.revision) == (1, 2)
    assert isinstance(await commit_one(store, nothing), Stale)


async def test_a_job_that_was_applied_by_another_decision_is_not_applied_by_this_one(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    one, two = change(1), change(2)
    first = await applied(store, order_id, one)
    moved = decide(first.order, change(5), one)
    turned_down = decide(first.order, refused=[two])

    assert isinstance(
        await commit_one(store, decide(await loaded(store, order_id), two)), Committed
    )
    assert isinstance(await commit_one(store, moved), Stale)
    assert isinstance(await commit_one(store, turned_down), Stale)
    assert backdoor.order(order_id)["inputQuantity"] == 3
