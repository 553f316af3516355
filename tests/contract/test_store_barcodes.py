"""What the log says of barcodes: all their moves, of one barcode or of a whole order."""

from __future__ import annotations

from itertools import islice, permutations
from typing import TYPE_CHECKING

import pytest

from actors.domain.guards import open_quantity, standing_output
from actors.domain.model import ChangeType
from actors.store import EvidenceQuery
from actors.store.mongo import reads as mongo_reads
from actors.store.sqlite import reads as sqlite_reads
from tests.contract.cases import (
    applied,
    change,
    old_log_document,
    order_document,
    output,
    scan,
    unbind,
)

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.store import Evidence, Store
    from tests.contract.backdoor import Backdoor

pytestmark = pytest.mark.adapters


async def asked(
    store: Store, order_id: WorkOrderId, *barcodes: str, whole: bool = False
) -> Evidence:
    query = EvidenceQuery(order_id, barcodes=frozenset(barcodes), whole=whole)
    [evidence] = await store.evidence([query])
    return evidence


def moved(evidence: Evidence, barcode: str = "SN-1") -> list[tuple[object, float, float]]:
    moves = evidence.moves.get(barcode, {}).values()
    return [
        (each.type, each.asked, each.applied)
        for each in sorted(moves, key=lambda move: move.position)
    ]


async def test_a_barcode_s_moves_are_told_as_asked_and_as_applied(
    store: Store, order_id: WorkOrderId
) -> None:
    await applied(
        store, order_id, scan(), output(2, related_barcode="SN-1"), unbind(), unbind(), scan("SN-2")
    )
    evidence = await asked(store, order_id, "SN-1")
    assert moved(evidence) == [
        (ChangeType.INPUT, 1, 1),
        (ChangeType.OUTPUT, 2, 2),
        (ChangeType.INPUT, -1, -1),
        (ChangeType.INPUT, -1, 0),
    ]
    assert not moved(evidence, "SN-2")
    moves = evidence.moves["SN-1"].values()
    assert open_quantity(moves, ChangeType.INPUT) == 0
    assert standing_output(moves) is not None


async def test_moves_of_the_replaced_service_count(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    backdoor.put_log(old_log_document(order_id, changeType="output"))
    backdoor.put_log(old_log_document(order_id, changeType="output", changeQuantity=-1))
    backdoor.put_log(old_log_document(order_id, changeType="output", changeQuantity="many"))
    backdoor.put_log(old_log_document(order_id, changeType="rework"))
    evidence = await asked(store, order_id, "SN-1")
    assert moved(evidence) == [
        (ChangeType.OUTPUT, 1, 1),
        (ChangeType.OUTPUT, -1, -1),
        (ChangeType.OUTPUT, 0, 0),
    ]
    assert standing_output(evidence.moves["SN-1"].values()) is None


async def test_an_order_is_read_whole_and_no_other_with_it(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId
) -> None:
    other = order_document()
    backdoor.put_order(other)
    await applied(store, other["_id"], scan("SN-9"))
    await applied(store, order_id, scan("SN-1"), scan("SN-2"), change(3), unbind("SN-2"))
    evidence = await asked(store, order_id, "SN-1", whole=True)
    assert evidence.whole
    assert set(evidence.moves) == {"SN-1", "SN-2"}
    assert {barcode for barcode, _ in evidence.scans} == {"SN-1", "SN-2"}
    assert set(evidence.unbinds) == {"SN-2"}


async def test_an_order_with_too_many_is_read_for_what_is_asked(
    store: Store, order_id: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reads in (mongo_reads, sqlite_reads):
        monkeypatch.setattr(reads, "MAX_WHOLE", 2)
    await applied(store, order_id, scan("SN-1"), scan("SN-2"), scan("SN-3"))
    evidence = await asked(store, order_id, "SN-2", whole=True)
    assert not evidence.whole
    assert set(evidence.moves) == {"SN-2"}


@pytest.mark.parametrize("order", range(6))
async def test_many_orders_are_read_whole_at_once_but_for_those_with_too_many(
    store: Store, backdoor: Backdoor, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    for reads in (mongo_reads, sqlite_reads):
        monkeypatch.setattr(reads, "MAX_WHOLE", 3)
    sizes = next(islice(permutations((0, 4, 3, 1, 5)), order * 19, None))
    orders = [order_document() for _ in sizes]
    queries = []
    for size, each in zip(sizes, orders, strict=True):
        backdoor.put_order(each)
        barcodes = [f"SN-{number}" for number in range(size)]
        if barcodes:
            await applied(store, each["_id"], *map(scan, barcodes))
        asked_for = frozenset(barcodes[:1])
        queries.append(EvidenceQuery(each["_id"], barcodes=asked_for, whole=True))
    found = await store.evidence(queries)
    assert [each.whole for each in found] == [size <= 3 for size in sizes]
    assert [len(each.moves) for each in found] == [size if size <= 3 else 1 for size in sizes]
