"""Epochs fence a deposed owner; a burnt turn fences its own late attempts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from actors.domain.model import Epoch
from actors.store import Claim, Committed, Stale
from tests.contract.cases import (
    FIRST,
    SECOND,
    applied,
    change,
    commit_one,
    committed,
    decide,
    loaded,
    logged_jobs,
    order_document,
    scan,
    whole_log,
)

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor
    from tests.contract.conftest import Database


async def test_a_lower_epoch_applies_nothing_once_a_higher_one_wrote(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    newer = await applied(store, order_id, change(5), epoch=SECOND)
    as_new_owner_left_it = backdoor.order(order_id)

    result = await commit_one(store, decide(newer.order, change(1), epoch=FIRST), FIRST)

    assert isinstance(result, Stale)
    assert result.current is not None
    assert result.current.epoch == SECOND
    assert backdoor.order(order_id) == as_new_owner_left_it
    assert len(await whole_log(store, order_id)) == 1


async def test_a_higher_epoch_goes_on_from_what_a_lower_one_left(
    store: Store, order_id: WorkOrderId
) -> None:
    older = await applied(store, order_id, change(5))
    newer = await applied(store, older.order, change(1), epoch=SECOND)
    assert (newer.order.seq, newer.order.epoch) == (2, SECOND)


async def test_the_same_epoch_may_write_again(store: Store, order_id: WorkOrderId) -> None:
    made = await applied(store, order_id, change(5), epoch=SECOND)
    made = await applied(store, made.order, change(5), epoch=SECOND)
    assert made.order.seq == 2


async def test_a_fenced_order_does_not_stop_the_others_of_its_batch(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    document = order_document()
    backdoor.put_order(document)
    taken = await applied(store, order_id, change(1), epoch=SECOND)
    free = await loaded(store, document["_id"])

    results = await store.commit(FIRST, [decide(taken.order, change(1)), decide(free, change(1))])

    assert [type(each) for each in results] == [Stale, Committed]


async def test_a_burn_stops_attempts_that_were_decided_before_it(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(5))
    late = decide(made.order, change(1))
    before = backdoor.order(order_id)

    await store.invalidate(FIRST, made.order)

    burnt = await loaded(store, order_id)
    assert (burnt.seq, burnt.revision) == (made.order.seq, made.order.revision + 1)
    after = backdoor.order(order_id)
    assert {**after, "planServer": None} == {**before, "planServer": None}
    assert isinstance(await commit_one(store, late), Stale)
    assert len(await whole_log(store, order_id)) == 1
    assert isinstance(await commit_one(store, decide(burnt, change(1))), Committed)


async def test_a_burn_stops_the_first_attempt_on_an_order_that_is_not_yet_ours(
    store: Store, order_id: WorkOrderId
) -> None:
    order = await loaded(store, order_id)
    late = decide(order, change(1))

    await store.invalidate(FIRST, order)

    burnt = await loaded(store, order_id)
    assert (burnt.seq, burnt.revision, burnt.adopted) == (0, 1, True)
    assert isinstance(await commit_one(store, late), Stale)
    assert isinstance(await commit_one(store, decide(burnt, change(1))), Committed)


async def test_a_burn_stops_refusals_too(store: Store, order_id: WorkOrderId) -> None:
    order = await loaded(store, order_id)
    late = decide(order, refused=[scan(key="late")])
    await store.invalidate(FIRST, order)
    assert isinstance(await commit_one(store, late), Stale)


async def test_a_burn_of_a_state_that_is_past_does_nothing(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    old = await loaded(store, order_id)
    made = await applied(store, old, change(1))
    now = backdoor.order(order_id)

    await store.invalidate(FIRST, old)
    await store.invalidate(SECOND, old)

    assert backdoor.order(order_id) == now
    assert isinstance(await commit_one(store, decide(made.order, change(1))), Committed)


async def test_a_burn_keeps_what_waits_in_the_outbox(store: Store, order_id: WorkOrderId) -> None:
    made = await applied(store, order_id, change(1), relayed=False)
    await store.invalidate(FIRST, made.order)
    assert await logged_jobs(store, order_id) == [made.changes.outcomes[0].change.job_id]
    assert isinstance(await commit_one(store, made.changes), Committed)


async def test_a_deposed_owner_burns_nothing(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1), epoch=SECOND)
    now = backdoor.order(order_id)
    await store.invalidate(FIRST, made.order)
    assert backdoor.order(order_id) == now


async def test_a_burn_of_an_order_that_is_gone_is_no_error(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    order = await loaded(store, order_id)
    backdoor.delete_order(order_id)
    await store.invalidate(FIRST, order)
    assert await store.load([order_id]) == [None]


async def test_a_quantity_edited_there_and_back_does_not_revive_a_burnt_attempt(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    order = await loaded(store, order_id)
    late = decide(order, change(5))
    backdoor.edit_order(order_id, {"inputQuantity": 3})
    current = await loaded(store, order_id)
    assert current.state.input_quantity == 3
    assert isinstance(await commit_one(store, late), Stale)

    await store.invalidate(FIRST, current)
    backdoor.edit_order(order_id, {"inputQuantity": 0})

    assert isinstance(await commit_one(store, late), Stale)
    assert await whole_log(store, order_id) == []


async def test_epochs_begin_above_nothing_and_grow(database: Database, store: Store) -> None:
    assert await store.epoch() == 0
    one = await store.claim_epoch("node-a")
    assert await store.epoch() == one > 0
    async with database.opened() as other:
        assert await other.epoch() == one
        two = await other.claim_epoch("node-b")
        assert two > one
        assert await store.epoch() == two


async def test_twenty_claims_at_once_give_twenty_epochs(database: Database, store: Store) -> None:
    async with AsyncExitStack() as undo:
        nodes = [store]
        for _ in range(3):
            nodes.append(await undo.enter_async_context(database.opened()))  # noqa: PERF401
        claims = [nodes[number % 4].claim_epoch(f"node-{number}") for number in range(20)]
        epochs = await asyncio.gather(*claims)

    assert len(set(epochs)) == 20
    assert min(epochs) == Epoch(1)
    assert await store.epoch() == max(epochs)
    assert await store.claim_epoch("next") > max(epochs)


async def test_the_store_says_who_claimed_the_highest_epoch_and_where_it_is(
    database: Database, store: Store
) -> None:
    assert await store.claim() is None
    first = await store.claim_epoch("a", url="http://a:3001")
    assert await store.claim() == Claim(first, "a", "http://a:3001")
    async with database.opened() as other:
        second = await other.claim_epoch("$b", url="$http://b:3001")
        assert await store.claim() == Claim(second, "$b", "$http://b:3001")
        third = await other.claim_epoch("of an earlier release")
    assert await store.claim() == Claim(third, "of an earlier release", "")


async def test_a_take_over_carries_on_where_the_old_owner_was_stopped(
    database: Database, store: Store, order_id: WorkOrderId
) -> None:
    old = await store.claim_epoch("old")
    made = await applied(store, order_id, change(5), epoch=old)
    in_flight = decide(made.order, change(1), epoch=old)
    async with database.opened() as successor:
        new = await successor.claim_epoch("new")
        taken = await loaded(successor, order_id)
        await committed(successor, decide(taken, change(2), epoch=new), new)

        result = await commit_one(store, in_flight, old)

        assert isinstance(result, Stale)
        assert result.current is not None
        assert result.current.epoch == new
        assert result.current.state.input_quantity == 7
