"""Products' flows in the main service's collection."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from actors.store.values import id_from
from scripts.reconcile.flows import Flow
from scripts.reconcile.mongo import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymongo.database import Database

    from scripts.reconcile.source import Document

_ORDER: Final = "productionPlanWorkOrderId"
_FIELDS: Final = {"barcode": 1, "status": 1, _ORDER: 1}
_PRODUCTS: Final = {"isProduct": {"$ne": False}}
"""Those of components count for no order."""


class MongoFlows:
    """Reads the collection that is named."""

    def __init__(self, database: Database[Document], collection: str) -> None:
        self._flows = database[collection]

    def groups(self) -> Iterator[tuple[str, list[Flow]]]:
        """Read the collection once; the server sorts it, on its disk if need be."""
        with reading():
            found = self._flows.find({**_PRODUCTS, _ORDER: {"$type": "objectId"}}, _FIELDS)
            in_order = found.sort(_ORDER, 1).allow_disk_use(True)  # noqa: FBT003 -- the driver's
            for order_id, some in groupby(map(_flow, in_order), lambda flow: flow.order):
                yield order_id, list(some)

    def of_barcodes(self, barcodes: Sequence[str]) -> list[Flow]:
        """Read by the index of barcodes."""
        with reading():
            wanted = {**_PRODUCTS, "barcode": {"$in": list(barcodes)}}
            return [_flow(each) for each in self._flows.find(wanted, _FIELDS)]


def _flow(document: Mapping[str, Any]) -> Flow:
    return Flow(
        str(document.get("barcode") or ""),
        id_from(document.get(_ORDER)) or "",
        str(document.get("status") or ""),
    )
