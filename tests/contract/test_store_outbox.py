"""What was committed is in the log for every reader, whether or not it was relayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.domain.model import LogEntry, RequestId
from actors.store import Committed, Evidence, EvidenceQuery, Stale
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
    order_document,
    scan,
    told,
    unbind,
    whole_log,
)

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor
    from tests.contract.conftest import Database


async def known(store: Store, order_id: WorkOrderId, query: EvidenceQuery) -> Evidence:
    """Return what the log says together with what the order's outbox says, as actors do."""
    [evidence] = await store.evidence([query])
    for outcome in (await loaded(store, order_id)).outbox:
        evidence.note(outcome)
    return evidence


def logged(backdoor: Backdoor, order_id: WorkOrderId) -> list[str]:
    return [each["_id"] for each in backdoor.logs(order_id)]


async def test_what_was_committed_but_not_relayed_is_in_the_log_for_readers(
    store: Store, order_id: WorkOrderId
) -> None:
    first = await applied(store, order_id, change(1))
    second = await applied(store, first.order, change(2), change(3), relayed=False)

    rows = await whole_log(store, order_id)

    assert [each["afterQuantity"] for each in rows] == [6, 3, 1]
    await store.relay(second.changes.outcomes)
    assert await whole_log(store, order_id) == rows


async def test_another_owner_knows_what_was_committed_but_not_relayed(
    database: Database, store: Store, order_id: WorkOrderId
) -> None:
    keyed, unkeyed = scan("SN-1", key="k-1"), unbind("SN-1")
    made = await applied(store, order_id, keyed, unkeyed, relayed=False)
    async with database.opened() as successor:
        evidence = await known(
            successor,
            order_id,
            EvidenceQuery(
                order_id,
                frozenset([RequestId("k-1"), RequestId("k-2")]),
                frozenset(jobs(keyed, unkeyed)),
                frozenset(["SN-1"]),
            ),
        )
    scanned, unbound = made.changes.outcomes
    assert told(evidence.by_request) == told({"k-1": scanned})
    assert told(evidence.by_job) == told({keyed.job_id: scanned, unkeyed.job_id: unbound})
    [scan_position] = evidence.scans.values()
    assert evidence.unbinds["SN-1"] > scan_position


async def test_a_refusal_that_was_not_relayed_is_known_too(
    database: Database, store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    refused = scan(key="k-1")
    made = decide(await loaded(store, order_id), refused=[refused])
    await committed(store, made, relayed=False)
    async with database.opened() as successor:
        query = EvidenceQuery(order_id, frozenset([RequestId("k-1")]))
        evidence = await known(successor, order_id, query)
        assert told(evidence.by_request) == told({"k-1": made.outcomes[0]})

        await successor.relay((await loaded(successor, order_id)).outbox)
        assert await whole_log(successor, order_id) == []
    assert backdoor.refusals(order_id) == [refused.job_id]


async def test_a_successor_relays_what_a_crashed_owner_left(
    database: Database, store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    one, two = change(1, key="k-1"), change(2)
    await applied(store, order_id, one, two, relayed=False)
    await store.close()

    async with database.opened() as successor:
        for left in await successor.dirty(10):
            order = await loaded(successor, left)
            await successor.relay(order.outbox)
            await successor.trim(SECOND, [order])
        assert await successor.dirty(10) == []
        order = await loaded(successor, order_id)
        assert order.outbox == ()
        assert logged(backdoor, order_id) == jobs(one, two)
        assert await logged_jobs(successor, order_id) == jobs(one, two)
        assert (order.seq, order.state.input_quantity) == (2, 3)


async def test_relaying_twice_and_out_of_order_leaves_each_entry_once(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    changes = [change(number) for number in range(1, 5)]
    made = await applied(store, order_id, *changes, relayed=False)
    outcomes = made.changes.outcomes

    await store.relay(outcomes[2:])
    await store.relay(outcomes)
    await store.relay([*reversed(outcomes), *outcomes])

    assert logged(backdoor, order_id) == jobs(*changes)
    assert await logged_jobs(store, order_id) == jobs(*changes)


async def test_relay_puts_back_what_the_log_is_missing(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    keyed = change(1, key="k-1")
    made = decide(await loaded(store, order_id), keyed, refused=[scan(key="k-2")])
    await committed(store, made)
    backdoor.delete_logs(order_id)

    await store.relay(made.outcomes)

    assert logged(backdoor, order_id) == [keyed.job_id]
    [evidence] = await store.evidence([EvidenceQuery(order_id, frozenset([RequestId("k-1")]))])
    assert told(evidence.by_request) == told({"k-1": made.outcomes[0]})


async def test_the_outbox_carries_what_is_not_yet_durable_in_the_log(
    store: Store, order_id: WorkOrderId
) -> None:
    one, two, three = change(1), change(2), change(3)
    first = await applied(store, order_id, one, relayed=False)
    second = decide(first.order, two, carried=first.changes.outcomes)
    order = await committed(store, second, relayed=False)
    assert await logged_jobs(store, order_id) == jobs(one, two)

    await store.relay(first.changes.outcomes)
    third = decide(order, three, carried=second.outcomes)
    await committed(store, third, relayed=False)

    assert await logged_jobs(store, order_id) == jobs(one, two, three)


async def test_trim_empties_the_outbox_and_nothing_else(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1))
    before = backdoor.order(order_id)

    await store.trim(FIRST, [made.order])

    order = await loaded(store, order_id)
    assert order.outbox == ()
    assert (order.seq, order.revision) == (made.order.seq, made.order.revision)
    assert {**backdoor.order(order_id), "planServer": None} == {**before, "planServer": None}
    assert await store.dirty(10) == []
    assert isinstance(await commit_one(store, made.changes), Committed)
    assert isinstance(await commit_one(store, decide(order, change(1))), Committed)


async def test_trim_leaves_an_outbox_that_got_more_meanwhile(
    store: Store, order_id: WorkOrderId
) -> None:
    one, two = change(1), change(2)
    first = await applied(store, order_id, one)
    await applied(store, first.order, two, relayed=False)

    await store.trim(FIRST, [first.order])
    await store.trim(SECOND, [first.order])

    assert await logged_jobs(store, order_id) == jobs(one, two)


async def test_a_deposed_owner_trims_nothing(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1), epoch=SECOND, relayed=False)
    now = backdoor.order(order_id)
    await store.trim(FIRST, [made.order])
    assert backdoor.order(order_id) == now
    assert len(await whole_log(store, order_id)) == 1


async def test_trim_takes_orders_that_are_gone_or_were_never_ours(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1))
    fresh = order_document()
    backdoor.put_order(fresh)
    untouched = await loaded(store, fresh["_id"])
    backdoor.delete_order(order_id)
    await store.trim(FIRST, [made.order, untouched])
    assert await loaded(store, fresh["_id"]) == untouched


async def test_dirty_lists_orders_with_an_outbox_up_to_its_limit(
    database: Database, store: Store, backdoor: Backdoor
) -> None:
    ids = []
    for _ in range(5):
        document = order_document()
        backdoor.put_order(document)
        ids.append(document["_id"])
        await applied(store, document["_id"], change(1), relayed=False)

    # SQLite commits log and order together: there is never anything left to sweep.
    expected = set() if database.kind == "sqlite" else set(ids)
    assert set(await store.dirty(10)) == expected
    few = await store.dirty(2)
    assert len(few) == min(2, len(expected))
    assert set(few) <= expected


async def test_a_replaced_document_loses_no_entry_that_its_owner_still_carries(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    one, two = change(1), change(2)
    made = await applied(store, order_id, one, relayed=False)
    backdoor.put_order(order_document(order_id, inputQuantity=7))
    late = decide(made.order, two, carried=made.changes.outcomes)
    assert isinstance(await commit_one(store, late), Stale)

    await store.relay(made.changes.outcomes)
    await applied(store, order_id, two)

    assert await logged_jobs(store, order_id) == jobs(one, two)
    assert backdoor.order(order_id)["inputQuantity"] == 9


async def test_entries_read_from_the_store_are_the_entries_that_were_committed(
    store: Store, order_id: WorkOrderId
) -> None:
    made = await applied(
        store,
        order_id,
        change(2.5, key="k-1", operator_name="李雷", is_automatic=False, remark=""),
        change(-9, related_barcode="SN-1"),
        relayed=False,
    )
    expected = {each.change.job_id: each for each in made.changes.outcomes}
    query = EvidenceQuery(order_id, job_ids=frozenset(expected))

    before_relay = await known(store, order_id, query)
    await store.relay(made.changes.outcomes)
    await store.trim(FIRST, [made.order])
    after_relay = await known(store, order_id, query)

    assert told(before_relay.by_job) == told(expected)
    assert told(after_relay.by_job) == told(expected)
    assert all(isinstance(each, LogEntry) for each in after_relay.by_job.values())
