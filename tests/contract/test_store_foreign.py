"""The main service edits the same documents at any time: its edits survive and decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.store import Committed, Stale
from tests.contract.cases import (
    FIRST,
    applied,
    change,
    commit_one,
    committed,
    decide,
    loaded,
    new_order_id,
    order_document,
    output,
    whole_log,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor
    from tests.contract.conftest import Database

EDITS: dict[str, dict[str, Any]] = {
    "input": {"inputQuantity": 9},
    "output": {"outputQuantity": 9},
    "status": {"status": "PAUSED"},
    "plan": {"planProductionQuantity": 50},
    "scrap": {"scrapQuantity": 4},
}


def ids_of(cases: Mapping[str, Any]) -> list[str]:
    return list(cases)


@pytest.mark.parametrize("adopted", [False, True])
@pytest.mark.parametrize("edit", EDITS.values(), ids=ids_of(EDITS))
async def test_an_edit_between_read_and_commit_makes_the_decision_stale(
    store: Store,
    backdoor: Backdoor,
    order_id: WorkOrderId,
    edit: dict[str, Any],
    *,
    adopted: bool,
) -> None:
    order = await loaded(store, order_id)
    if adopted:
        order = (await applied(store, order, change(2), output(1))).order
    made = decide(order, change(1), output(1))
    backdoor.edit_order(order_id, edit)
    edited = backdoor.order(order_id)

    result = await commit_one(store, made)

    assert isinstance(result, Stale)
    assert result.current == await loaded(store, order_id)
    assert backdoor.order(order_id) == edited
    assert result.current is not None
    await committed(store, decide(result.current, change(1)))
    [name] = edit
    expected = 10 if name == "inputQuantity" else edit[name]
    assert backdoor.order(order_id)[name] == expected


@pytest.mark.parametrize("name", ["inputQuantity", "scrapQuantity", "status"])
async def test_a_field_removed_between_read_and_commit_makes_the_decision_stale(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId, name: str
) -> None:
    backdoor.edit_order(order_id, {"inputQuantity": 3, "scrapQuantity": 3})
    made = decide(await loaded(store, order_id), change(1))
    backdoor.edit_order(order_id, {}, without=(name,))

    assert isinstance(await commit_one(store, made), Stale)


@pytest.mark.adapters
async def test_edits_of_other_fields_pass_and_survive(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = decide(await loaded(store, order_id), change(1))
    backdoor.edit_order(
        order_id,
        {"remark": "加急", "lineName": "SMT二线", "planQuantity": 7, "progress": 33},
    )

    assert isinstance(await commit_one(store, made), Committed)

    stored = backdoor.order(order_id)
    assert stored["remark"] == "加急"
    assert stored["lineName"] == "SMT二线"
    assert stored["planQuantity"] == 7
    assert stored["progress"] == 33, "an input does not touch progress"


@pytest.mark.adapters
async def test_only_what_a_change_moves_is_written(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    before = backdoor.order(order_id)
    made = await applied(store, order_id, change(1))

    after = backdoor.order(order_id)
    differing = {name for name in after if before.get(name) != after[name]}
    assert differing == {"inputQuantity", "updateAt", "planServer"}
    assert set(before) <= set(after)
    assert after["updateAt"] == made.changes.at


@pytest.mark.adapters
async def test_fields_of_others_survive_however_odd_they_are(
    store: Store, backdoor: Backdoor
) -> None:
    odd = {
        "空 格": "字段",
        "customData": {"a": [1, {"b": None}], "planServer": {"seq": 99}},
        "__v": 7,
        "emptyList": [],
        "emptyMap": {},
        "number": 1e300,
        "big": 2**53,
        "negativeZero": 0.5,
        "none": None,
        "text": '引号 " 反斜杠 \\ 换行 \n NUL \x00 表情 😀',
        "flag": True,
        "_private": "x",
    }
    order_id = new_order_id()
    backdoor.put_order(order_document(order_id, **odd))
    made = await applied(store, order_id, change(1), output(100))
    await store.trim(FIRST, [made.order])
    await store.invalidate(FIRST, made.order)

    stored = backdoor.order(order_id)
    assert {name: stored[name] for name in odd} == odd
    assert stored["status"] == "COMPLETED"


ODD_QUANTITIES: dict[str, tuple[object, object]] = {
    "null": (None, None),
    "text": ("5", "3"),
    "whole float": (5.0, 3.0),
    "fraction": (5.5, 3.25),
    "words": ("five", ""),
    "negative": (-5, -3),
    "flag": (True, False),
    "list": ([5], []),
}


@pytest.mark.adapters
@pytest.mark.parametrize("values", ODD_QUANTITIES.values(), ids=ids_of(ODD_QUANTITIES))
async def test_odd_quantities_are_read_leniently_and_replaced_only_where_changed(
    store: Store, backdoor: Backdoor, values: tuple[object, object]
) -> None:
    order_id = new_order_id()
    into, out = values
    backdoor.put_order(order_document(order_id, inputQuantity=into, outputQuantity=out))
    order = await loaded(store, order_id)
    late = decide(order, change(2))

    made = await applied(store, order, change(2))

    [row] = await whole_log(store, order_id)
    assert row["beforeQuantity"] == order.state.input_quantity
    stored = backdoor.order(order_id)
    assert stored["inputQuantity"] == row["afterQuantity"] == made.order.state.input_quantity
    assert stored["outputQuantity"] == out
    assert type(stored["outputQuantity"]) is type(out)
    assert isinstance(await commit_one(store, late), Stale)
    again = await applied(store, made.order, output(1), change(1))
    assert again.order.seq == 3
    reread = await applied(store, order_id, output(1))
    assert (reread.order.seq, reread.order.revision) == (4, 3)


@pytest.mark.adapters
async def test_quantities_that_are_missing_count_as_zero(store: Store, backdoor: Backdoor) -> None:
    document = order_document()
    for name in (
        "inputQuantity",
        "outputQuantity",
        "scrapQuantity",
        "progress",
        "status",
        "planProductionQuantity",
    ):
        del document[name]
    backdoor.put_order(document)

    made = await applied(store, document["_id"], change(5), output(1), change(-2))

    stored = backdoor.order(document["_id"])
    assert (stored["inputQuantity"], stored["outputQuantity"]) == (3, 1)
    assert "scrapQuantity" not in stored
    assert "planProductionQuantity" not in stored
    assert made.order.seq == 3
    assert [each["changeQuantity"] for each in await whole_log(store, document["_id"])] == [
        -2,
        1,
        5,
    ]


@pytest.mark.adapters
async def test_an_edit_of_an_odd_value_to_another_one_is_noticed(
    store: Store, backdoor: Backdoor
) -> None:
    order_id = new_order_id()
    backdoor.put_order(order_document(order_id, scrapQuantity="5", inputQuantity=1))
    for name, value in (
        ("scrapQuantity", "6"),
        ("scrapQuantity", 6),
        ("scrapQuantity", None),
        ("inputQuantity", True),
        ("inputQuantity", "1"),
    ):
        made = decide(await loaded(store, order_id), change(1))
        backdoor.edit_order(order_id, {name: value})
        assert isinstance(await commit_one(store, made), Stale), (name, value)


async def test_a_whole_float_is_the_number_it_equals(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.edit_order(order_id, {"inputQuantity": 5})
    made = decide(await loaded(store, order_id), change(1))
    backdoor.edit_order(order_id, {"inputQuantity": 5.0})
    assert isinstance(await commit_one(store, made), Committed)
    assert backdoor.order(order_id)["inputQuantity"] == 6


@pytest.mark.adapters
async def test_a_quantity_that_is_no_number_at_all_does_not_stop_the_order(
    database: Database, store: Store, backdoor: Backdoor
) -> None:
    order_id = new_order_id()
    # JSON has neither.
    odd = "NaN" if database.kind == "sqlite" else float("nan")
    backdoor.put_order(order_document(order_id, inputQuantity=odd, scrapQuantity=odd))

    made = await applied(store, order_id, output(1), change(2))
    again = await applied(store, made.order, change(1))

    assert again.order.state.input_quantity == 3
    assert backdoor.order(order_id)["inputQuantity"] == 3
    assert (await loaded(store, order_id)).seq == 3


@pytest.mark.adapters
@pytest.mark.parametrize(
    "ours",
    [
        None,
        {},
        "text",
        7,
        [],
        {"seq": "3"},
        {"seq": None, "turn": None, "epoch": None, "outbox": None},
        {"seq": 0},
        {"turn": 1, "epoch": 1},
    ],
    ids=repr,
)
async def test_odd_values_where_our_state_belongs_do_not_stop_the_order(
    store: Store, backdoor: Backdoor, ours: object
) -> None:
    order_id = new_order_id()
    backdoor.put_order(order_document(order_id, planServer=ours))

    made = await applied(store, order_id, change(1))
    made = await applied(store, made.order, change(1))

    assert made.order.seq == 2
    assert (await loaded(store, order_id)).seq == 2
    assert len(await whole_log(store, order_id)) == 2


@pytest.mark.adapters
async def test_our_state_saved_by_a_tool_that_knows_only_floats_is_still_ours(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    made = await applied(store, order_id, change(1), change(1))
    await store.trim(FIRST, [made.order])
    ours = backdoor.order(order_id)["planServer"]
    as_floats = {name: float(ours[name]) for name in ("epoch", "seq", "turn")}
    backdoor.edit_order(order_id, {"planServer": ours | as_floats})

    order = await loaded(store, order_id)

    assert (order.epoch, order.seq, order.revision, order.adopted) == (1, 2, 1, True)
    assert {type(each) for each in (order.epoch, order.seq, order.revision)} == {int}
    assert (await applied(store, order, change(1))).order.seq == 3


@pytest.mark.adapters
async def test_a_burn_works_where_odd_values_are_in_place_of_our_state(
    store: Store, backdoor: Backdoor
) -> None:
    order_id = new_order_id()
    backdoor.put_order(order_document(order_id, planServer=None))
    order = await loaded(store, order_id)
    late = decide(order, change(1))

    await store.invalidate(FIRST, order)

    assert isinstance(await commit_one(store, late), Stale)
    assert (await applied(store, order_id, change(1))).order.seq == 1


@pytest.mark.adapters
async def test_a_quantity_beyond_64_bits_is_kept_as_it_is_and_can_be_changed(
    store: Store, backdoor: Backdoor
) -> None:
    document = order_document(scrapQuantity=float(2**63), inputQuantity=1)
    backdoor.put_order(document)
    before = await loaded(store, document["_id"])
    await applied(store, document["_id"], change(1))
    after = await loaded(store, document["_id"])
    assert before.state.scrap_quantity == after.state.scrap_quantity == float(2**63)
    assert after.state.input_quantity == 2
