"""Actors decide on archived orders as if nothing had been moved."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.domain.commit import StoredOrder
from actors.domain.guards import Guards, Mode
from actors.domain.messages import ReadOrder, Trim, Updated
from actors.domain.model import SCAN_PROCESS
from actors.errors import DuplicateOperation
from actors.store.mongo import archive
from tests.contract.cases import STEP, whole_log
from tests.contract.conftest import MONGO_STORES
from tests.unit.actors.owner import Owner, update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.domain.model import WorkOrderId
    from actors.store import Store
    from tests.contract.backdoor import Backdoor

pytestmark = pytest.mark.adapters
on_both = pytest.mark.parametrize("database", ["sqlite", MONGO_STORES[0]], indirect=True)
_ENFORCE = Guards(Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE)
_KEPT: dict[str, Any] = {
    "related_barcode": "SN-1",
    "process_step_id": STEP,
    "barcode_operation": SCAN_PROCESS,
}


@asynccontextmanager
async def _owner(store: Store) -> AsyncIterator[Owner]:
    owner = await Owner.begin(cast("Any", store), guards=_ENFORCE)
    try:
        yield owner
    finally:
        await owner.end()


async def _empty_outbox(owner: Owner, order_id: WorkOrderId) -> None:
    committer = owner.term.committer.actor_ref
    order = await committer.ask(ReadOrder(order_id), block=False)
    assert isinstance(order, StoredOrder)
    await committer.ask(Trim(order), block=False)


@on_both
async def test_what_was_counted_is_not_counted_again_whoever_decides(
    store: Store, backdoor: Backdoor, order_id: WorkOrderId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "REST_S", 0)

    async def repeat(owner: Owner) -> None:
        answers = [
            await owner.ask(update(5, order_id, key="k", wait=wait)) for wait in (False, True)
        ]
        assert [(each.replayed, each.change.job_id) for each in answers] == [(True, job)] * 2  # type: ignore[union-attr]
        again = await owner.ask(update(1, order_id, **_KEPT))
        assert isinstance(again, DuplicateOperation)

    async with asyncio.timeout(300), _owner(store) as warm:
        first = await warm.ask(update(5, order_id, key="k"))
        assert isinstance(first, Updated)
        job = first.change.job_id
        assert isinstance(await warm.ask(update(1, order_id, **_KEPT)), Updated)
        backdoor.edit_order(order_id, {"status": "COMPLETED"})
        await _empty_outbox(warm, order_id)
        while await store.archive.move(datetime.now(UTC) + timedelta(days=1)):
            pass
        assert backdoor.logs(order_id) == []
        await repeat(warm)
    async with _owner(store) as cold:
        await repeat(cold)
        later = await cold.ask(update(-2, order_id, key="later"))
        assert isinstance(later, Updated)
        assert (later.seq, later.before_quantity, later.after_quantity) == (3, 6, 4)
        await repeat(cold)
        assert [each["seq"] for each in await whole_log(store, order_id)] == [3, 2, 1]
        while await store.archive.restore():
            pass
        await repeat(cold)
    assert [each["planServer"]["seq"] for each in backdoor.logs(order_id)] == [1, 2, 3]
