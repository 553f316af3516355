"""The commands that `docs/integrating.md` gives to those who come from the old service."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bson import ObjectId

from actors.store.schema import LOGS, ORDERS
from tests.contract.backdoor import MongoBackdoor
from tests.contract.cases import applied, change, loaded, output
from tests.contract.conftest import MONGO_STORES

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor

_DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("database", MONGO_STORES, indirect=True)
@pytest.mark.parametrize("page", ["integrating.md", "integrating.zh-CN.md"])
async def test_what_others_wrote_between_our_entries_is_found(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId, page: str
) -> None:
    assert isinstance(backdoor, MongoBackdoor)
    text = (_DOCS / page).read_text(encoding="utf-8")
    (pipeline,) = re.findall(
        rf"^db\.{LOGS}\.aggregate\((\[.*?^\]), ", text, re.MULTILINE | re.DOTALL
    )
    await applied(store, order_id, change(5), change(0.1), change(0.2), output(1))
    orders = backdoor.database[ORDERS]
    orders.update_one({"_id": ObjectId(order_id)}, {"$inc": {"inputQuantity": 7}})
    await applied(store, await loaded(store, order_id), change(-1), output(1))

    found = list(backdoor.database[LOGS].aggregate(json.loads(pipeline), allowDiskUse=True))

    (row,) = [each for each in found if each["_id"]["order"] == ObjectId(order_id)]
    assert (row["_id"]["type"], round(row["byOthers"], 6)) == ("input", 7)
