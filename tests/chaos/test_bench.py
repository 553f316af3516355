"""The check of guarded counts and operations sees each kind of fault, and no other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

import pytest
from bson import ObjectId

from actors.store.schema import LOGS, OPERATIONS, ORDERS, SCRAPPED
from tests.chaos.bench import bench_orders, check_bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.backdoor import MongoBackdoor

Document = dict[str, Any]
_COUNTED, _SCRAPPED = (ObjectId(each["_id"]) for each in bench_orders())


class _Found(list[Document]):
    def sort(self, *_by: Any, **_more: Any) -> _Found:  # type: ignore[override] # noqa: ANN401
        return self


class _Collection(list[Document]):
    def find(self, wanted: Document) -> _Found:
        [(name, among)] = wanted.items()
        return _Found(each for each in self if each.get(name) in among["$in"])


class Case:
    """A barcode put out and unbound, another put out, a piece of scrap and a supplement."""

    def __init__(self) -> None:
        self.database: dict[str, _Collection] = defaultdict(_Collection)
        self.told: dict[str, tuple[int, str]] = {"no": (409, "OPERATION_REFUSED")}
        for number, (barcode, moved) in enumerate((("B1", 1), ("B1", -1), ("B2", 1)), 1):
            self.count(number, barcode, moved)
        self.operate("scrap", _COUNTED, "S1")
        supplement = self.operate("supplement", _SCRAPPED)
        self.database[ORDERS] += [
            {
                "_id": _COUNTED,
                "outputQuantity": 1,
                "scrapQuantity": 1,
                SCRAPPED: [{"barcode": "S1"}],
            },
            {"_id": _SCRAPPED},
            {"_id": supplement, "originalWorkOrderId": _SCRAPPED, "workOrderNo": "BENCH-1-S1"},
        ]

    def count(self, seq: int, barcode: str, moved: int) -> None:
        key = f"count-{seq}"
        self.told[key] = (200, "UPDATED")
        entry = {"workOrderId": _COUNTED, "relatedBarcode": barcode, "changeQuantity": moved}
        self.database[LOGS].append({**entry, "planServer": {"seq": seq, "requestId": key}})

    def operate(self, what: str, order: ObjectId, barcode: str | None = None) -> ObjectId:
        key = f"{what}-{len(self.told)}"
        self.told[key] = (200, "OK")
        entry_id = ObjectId()
        entry = {"_id": entry_id, "workOrderId": order, "operation": what}
        entry |= {"relatedBarcode": barcode, "planServer": {"requestId": key}}
        self.database[OPERATIONS].append(entry)
        return entry_id

    def found(self) -> set[str]:
        backdoor = cast("MongoBackdoor", self)
        orders = [str(_COUNTED), str(_SCRAPPED)]
        return {kind for kind, _ in check_bench(backdoor, orders, self.told)}


def test_a_sound_bench_is_sound() -> None:
    assert Case().found() == set()


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda case: case.count(4, "B2", 1), "guarded counts wrong"),
        (lambda case: case.count(4, "B1", -1), "guarded counts wrong"),
        (lambda case: case.database[ORDERS][0].update(outputQuantity=2), "guarded counts wrong"),
        (lambda case: case.operate("scrap", _COUNTED, "S1"), "operations half done"),
        (lambda case: case.database[ORDERS][0].update(scrapQuantity=2), "operations half done"),
        (lambda case: case.operate("supplement", _SCRAPPED), "operations half done"),
        (lambda case: case.database[ORDERS].pop(), "operations half done"),
        (lambda case: case.told.update(lost=(200, "OK")), "operations half done"),
        (lambda case: case.told.update({"count-1": (409, "X")}), "operations half done"),
        (lambda case: case.told.pop("count-1"), "operations half done"),
    ],
)
def test_each_fault_is_seen(spoil: Callable[[Case], object], kind: str) -> None:
    case = Case()
    spoil(case)
    assert case.found() == {kind}
