"""Orders put into MongoDB as the main service makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import BulkWriteError

from actors.store.mongo.bson import as_object_id
from actors.store.mongo.client import writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.store.mongo.reads import Collections

_DUPLICATE_KEY: Final = 11000


async def insert_orders(at: Collections, documents: Sequence[Mapping[str, Any]]) -> int:
    """Do `Store.insert_orders`: add orders whose `_id` or number is new."""
    if not documents:
        return 0
    ids = ("_id", "materialId", "productionLineId", "originalWorkOrderId")
    orders = [
        {name: as_object_id(value) if name in ids else value for name, value in each.items()}
        for each in documents
    ]
    with writing():
        try:
            result = await at.orders.insert_many(orders, ordered=False)
        except BulkWriteError as error:
            details: Mapping[str, Any] = error.details or {}
            if any(each["code"] != _DUPLICATE_KEY for each in details.get("writeErrors", [])):
                raise
            return int(details.get("nInserted", 0))
    return len(result.inserted_ids)
