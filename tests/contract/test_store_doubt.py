"""A commit that was sent, and a store that can't tell what became of it: unknown, not refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from actors.errors import OutcomeUnknown, StoreUnavailable
from actors.store import Committed, Stale
from actors.store.mongo.store import MongoStore
from tests.contract.cases import FIRST, change, decide, loaded, order_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.model import WorkOrderId
    from tests.contract.conftest import Database


class BlindStore(MongoStore):
    """Loses sight of the database once it has sent a write."""

    async def load(self, ids: Sequence[WorkOrderId]) -> NoReturn:
        raise StoreUnavailable(f"can't look at {len(ids)} orders")


@pytest.mark.parametrize("database", ["standalone-motor", "replica-set-pymongo"], indirect=True)
async def test_a_commit_that_can_not_be_looked_at_after_it_was_sent_is_unknown(
    database: Database,
) -> None:
    one, other = order_document(), order_document()
    database.backdoor.put_order(one)
    database.backdoor.put_order(other)
    async with database.opened() as store:
        assert isinstance(store, MongoStore)
        made = [decide(await loaded(store, each["_id"]), change(1)) for each in (one, other)]
        # One of the two will not match, so the store has to look which.
        database.backdoor.edit_order(other["_id"], {"inputQuantity": 40})
        store.__class__ = BlindStore
        with pytest.raises(OutcomeUnknown):
            await store.commit(FIRST, made)
        store.__class__ = MongoStore

        assert database.backdoor.order(one["_id"])["inputQuantity"] == 1
        committed, stale = await store.commit(FIRST, made)
        assert isinstance(committed, Committed)
        assert isinstance(stale, Stale)
