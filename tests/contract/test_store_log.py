"""Pages of an order's log: newest first, complete, each entry on exactly one page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from actors.domain.model import ChangeType, WorkOrderId
from actors.store import LogQuery
from tests.contract.cases import (
    FIRST,
    MORNING,
    applied,
    change,
    committed,
    decide,
    loaded,
    new_order_id,
    old_log_document,
    order_document,
    output,
    scan,
    tick,
    whole_log,
)

if TYPE_CHECKING:
    from actors.store import Outcome, Store, StoredOrder
    from tests.contract.backdoor import Backdoor


async def ids_by_page(store: Store, query: LogQuery) -> list[list[str]]:
    """Read all pages of the query's size, from its first on."""
    pages: list[list[str]] = []
    while True:
        page = await store.log_page(
            LogQuery(
                query.work_order_id,
                len(pages) + 1,
                query.page_size,
                query.change_type,
                query.since,
                query.until,
            )
        )
        if not page.logs:
            return pages
        assert len(page.logs) == min(query.page_size, page.total - len(pages) * query.page_size)
        pages.append([each["_id"] for each in page.logs])


async def filled(
    store: Store, order_id: WorkOrderId, entries: int, *, unrelayed: int = 0
) -> list[str]:
    """Apply changes one by one, the last `unrelayed` of them to the outbox; newest first."""
    order: StoredOrder = await loaded(store, order_id)
    ids: list[str] = []
    carried: tuple[Outcome, ...] = ()
    for number in range(entries):
        made = decide(order, change(1) if number % 3 else output(1), carried=carried)
        relayed = number < entries - unrelayed
        order = await committed(store, made, relayed=relayed)
        carried = () if relayed else (*carried, *made.outcomes)
        ids.append(made.outcomes[0].change.job_id)
    return ids[::-1]


@pytest.mark.parametrize("unrelayed", [0, 1, 4, 11])
async def test_pages_hold_every_entry_once_newest_first(
    store: Store, order_id: WorkOrderId, unrelayed: int
) -> None:
    expected = await filled(store, order_id, 11, unrelayed=unrelayed)

    for page_size in (1, 3, 4, 5, 11, 50):
        pages = await ids_by_page(store, LogQuery(order_id, page_size=page_size))
        assert [each for page in pages for each in page] == expected, page_size


async def test_a_page_of_large_entries_ends_early_and_leaves_none_out_before_that(
    store: Store, order_id: WorkOrderId
) -> None:
    large = [change(1, remark="x" * 5_000) for _ in range(240)]
    made = await applied(store, order_id, *large[:230])
    # These come last, though they are the newest: the clock was set back.
    await applied(store, made.order, *large[230:], at=MORNING, relayed=False)
    expected = [each.job_id for each in [*large[:230][::-1], *large[230:][::-1]]]

    for page, page_size in ((1, 1000), (1, 7), (2, 100), (3, 110), (24, 10)):
        whole = expected[(page - 1) * page_size : page * page_size]
        # A hundred rows are fetched at once, and some are not shown for those in the outbox.
        for max_bytes in (1, 20_000, 540_000, 570_000, 10_000_000):
            shown = await store.log_page(LogQuery(order_id, page, page_size, max_bytes=max_bytes))
            ids = [each["_id"] for each in shown.logs]
            assert shown.total == 240
            assert ids == whole[: len(ids)]
            fit = min(len(whole), max(1, max_bytes // 6_500))
            assert fit <= len(ids) + 10
            assert len(ids) <= max(1, max_bytes // 5_000)
            assert len(ids) == len(whole) or max_bytes < 10_000_000


async def test_the_total_is_the_same_on_every_page(store: Store, order_id: WorkOrderId) -> None:
    await filled(store, order_id, 7, unrelayed=2)
    for page in (1, 2, 3, 4, 5, 1000):
        assert (await store.log_page(LogQuery(order_id, page, 2))).total == 7


async def test_pages_beyond_the_end_are_empty_however_far(
    store: Store, order_id: WorkOrderId
) -> None:
    await filled(store, order_id, 3, unrelayed=1)
    for page in (2, 3, 10_000, 2**31):
        assert (await store.log_page(LogQuery(order_id, page, 20))).logs == ()


async def test_an_order_without_a_log_and_an_unknown_order_have_empty_pages(
    store: Store, order_id: WorkOrderId
) -> None:
    for each in (order_id, new_order_id()):
        page = await store.log_page(LogQuery(each))
        assert (page.total, page.logs) == (0, ())


async def test_entries_of_one_moment_are_in_the_order_of_their_seq(
    store: Store, order_id: WorkOrderId
) -> None:
    moment = tick()
    changes = [change(1) for _ in range(9)]
    first = await applied(store, order_id, *changes[:5], at=moment)
    await applied(store, first.order, *changes[5:], at=moment, relayed=False)

    pages = await ids_by_page(store, LogQuery(order_id, page_size=2))

    assert [each for page in pages for each in page] == [each.job_id for each in changes[::-1]]


async def test_filters_pick_by_type_and_time_in_log_and_outbox(
    store: Store, order_id: WorkOrderId
) -> None:
    start = MORNING + timedelta(days=1)
    hours = [start + timedelta(hours=each) for each in range(6)]
    order = await loaded(store, order_id)
    carried: tuple[Outcome, ...] = ()
    ids = []
    for number, at in enumerate(hours):
        made = decide(order, output(1) if number % 2 else change(1), carried=carried, at=at)
        order = await committed(store, made, relayed=number < 3)
        carried = (*carried, *made.outcomes) if number >= 3 else ()
        ids.append(made.outcomes[0].change.job_id)

    async def picked(**filters: Any) -> list[str]:  # noqa: ANN401 fields of LogQuery
        page = await store.log_page(LogQuery(order_id, **filters))
        assert page.total == len(page.logs)
        return [each["_id"] for each in page.logs]

    assert await picked(change_type=ChangeType.INPUT.value) == [ids[4], ids[2], ids[0]]
    assert await picked(change_type="output") == [ids[5], ids[3], ids[1]]
    assert await picked(change_type="neither") == []
    assert await picked(since=hours[2]) == [ids[5], ids[4], ids[3], ids[2]]
    assert await picked(until=hours[2]) == [ids[2], ids[1], ids[0]]
    assert await picked(since=hours[2], until=hours[4]) == [ids[4], ids[3], ids[2]]
    assert await picked(since=hours[2], until=hours[4], change_type="output") == [ids[3]]
    assert await picked(since=hours[5] + timedelta(milliseconds=1)) == []
    assert await picked(until=hours[0] - timedelta(milliseconds=1)) == []
    shanghai = hours[2].astimezone(datetime.fromisoformat("2026-01-01T00:00:00+08:00").tzinfo)
    assert await picked(since=shanghai, until=shanghai) == [ids[2]]


async def test_filtered_pages_hold_every_match_once(store: Store, order_id: WorkOrderId) -> None:
    await filled(store, order_id, 12, unrelayed=5)
    rows = await whole_log(store, order_id)
    matches = [each["_id"] for each in rows if each["changeType"] == "input"]

    for page_size in (1, 2, 3):
        pages = await ids_by_page(
            store, LogQuery(order_id, page_size=page_size, change_type="input")
        )
        assert [each for page in pages for each in page] == matches, page_size
    assert len(matches) == 8


async def test_an_entry_in_outbox_and_log_is_shown_once(
    store: Store, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1), change(2), change(3), relayed=False)
    await store.relay(made.changes.outcomes[1:2])

    pages = await ids_by_page(store, LogQuery(order_id, page_size=1))

    assert pages == [[each.change.job_id] for each in reversed(made.changes.outcomes)]


async def test_refusals_are_not_in_the_log(store: Store, order_id: WorkOrderId) -> None:
    made = decide(await loaded(store, order_id), change(1), refused=[scan(key="k")])
    await committed(store, made, relayed=False)
    assert len(await whole_log(store, order_id)) == 1
    await store.relay(made.outcomes)
    assert len(await whole_log(store, order_id)) == 1


@pytest.mark.adapters
async def test_entries_of_the_replaced_service_come_first_in_time(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    before = [old_log_document(order_id) for _ in range(4)]
    for each in before:
        backdoor.put_log(each)
    mine = await filled(store, order_id, 3, unrelayed=2)

    pages = await ids_by_page(store, LogQuery(order_id, page_size=2))

    expected = [*mine, *(each["_id"] for each in reversed(before))]
    assert [each for page in pages for each in page] == expected


@pytest.mark.adapters
async def test_an_old_entry_is_shown_as_it_is_with_the_shared_defaults_for_what_it_lacks(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    at = tick()
    bare = {"_id": str(ObjectId()), "workOrderId": order_id}
    rich = old_log_document(order_id, operateTime=at, __v=0, extra={"a": [1]}, operatorId="u-1")
    backdoor.put_log(bare)
    backdoor.put_log(rich)

    newest, oldest = await whole_log(store, order_id)

    assert {name: newest[name] for name in rich} == rich
    assert newest["materialCode"] is None
    assert oldest["_id"] == bare["_id"]
    assert oldest["operateTime"] is None
    assert oldest["barcodeOperation"] == "OTHER"
    assert oldest["operatorId"] == "SYSTEM"
    assert oldest["isAutomatic"] is True
    assert oldest["source"] == "SYSTEM"
    assert set(newest) >= set(oldest) - {"planServer"}


@pytest.mark.adapters
async def test_entries_without_a_time_match_no_filter_by_time(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.put_log({"_id": str(ObjectId()), "workOrderId": order_id})
    query = LogQuery(order_id, since=datetime(1970, 1, 1, tzinfo=UTC))
    assert (await store.log_page(query)).total == 0


async def test_a_row_has_the_shared_schema_s_fields_and_of_ours_the_seq_alone(
    store: Store, order_id: WorkOrderId
) -> None:
    await applied(store, order_id, change(1, key="secret"))
    await applied(store, await loaded(store, order_id), change(1, key="secret too"), relayed=False)

    rows = await whole_log(store, order_id)
    assert [row["seq"] for row in rows] == [2, 1]
    for row in rows:
        assert not {"planServer", "requestId"} & set(row)
        assert row["operateTime"].tzinfo is not None
        assert row["workOrderId"] == order_id


async def test_a_log_is_of_one_order_only(store: Store, backdoor: Backdoor) -> None:
    documents = [order_document() for _ in range(2)]
    for document in documents:
        backdoor.put_order(document)
    expected = {
        document["_id"]: await filled(store, document["_id"], 4, unrelayed=2)
        for document in documents
    }
    for order_id, ids in expected.items():
        assert [each["_id"] for each in await whole_log(store, order_id)] == ids


async def test_the_log_of_a_deleted_order_can_still_be_read(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    ids = await filled(store, order_id, 3)
    await store.trim(FIRST, [await loaded(store, order_id)])
    backdoor.delete_order(order_id)
    assert [each["_id"] for each in await whole_log(store, order_id)] == ids
