"""Orders, changes and change sets for the store's contract, decided as an order actor would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId

from actors.domain.model import (
    Change,
    ChangeType,
    Epoch,
    LogContext,
    LogEntry,
    Number,
    OrderState,
    RequestId,
    WorkOrderId,
    new_job_id,
)
from actors.domain.rules import apply
from actors.store import ChangeSet, Committed, LogQuery, Refusal
from actors.store.documents import outcome_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.store import CommitResult, Outcome, Store, StoredOrder

MORNING: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
MATERIAL: Final = "6560a0000000000000000001"
LINE: Final = "6560a0000000000000000002"
STEP: Final = "6560a0000000000000000003"
OTHER_STEP: Final = "6560a0000000000000000004"
FIRST: Final = Epoch(1)
SECOND: Final = Epoch(2)
LATEST: Final = Epoch(1_000)
"""Above all that these tests claim."""

_ticks = count(1)


def tick() -> datetime:
    """Return a time later than all given before, in whole milliseconds as MongoDB keeps them."""
    return MORNING + timedelta(milliseconds=next(_ticks))


def new_order_id() -> WorkOrderId:
    return WorkOrderId(str(ObjectId()))


def order_document(order_id: WorkOrderId | None = None, **fields: object) -> dict[str, Any]:
    """Return an order as the main service makes it; ids as text."""
    order_id = order_id or new_order_id()
    return {
        "_id": order_id,
        "workOrderNo": f"WO-{order_id}",
        "materialId": MATERIAL,
        "materialNumber": "1.02.003",
        "materialName": "主控板",
        "fSpecification": "V2.1",
        "productionLineId": LINE,
        "lineName": "SMT一线",
        "status": "IN_PROGRESS",
        "businessType": "NORMAL",
        "planQuantity": 120,
        "planProductionQuantity": 100,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
        "createBy": "planner",
        "createAt": MORNING,
        "updateAt": MORNING,
        **fields,
    }


def old_log_document(order_id: WorkOrderId, **fields: object) -> dict[str, Any]:
    """Return a log entry as the replaced service wrote it: nothing of ours in it."""
    at = fields.get("operateTime", tick())
    return {
        "_id": str(ObjectId()),
        "workOrderId": order_id,
        "workOrderNo": f"WO-{order_id}",
        "changeType": "input",
        "changeQuantity": 1,
        "beforeQuantity": 0,
        "afterQuantity": 1,
        "relatedBarcode": "SN-1",
        "barcodeOperation": "SCAN_PROCESS",
        "processStepId": STEP,
        "operatorId": "SYSTEM",
        "operateTime": at,
        "reason": "投入数量增加",
        "isAutomatic": True,
        "source": "SYSTEM",
        "createdAt": at,
        "updatedAt": at,
        **fields,
    }


def change(
    quantity: Number = 1,
    kind: ChangeType = ChangeType.INPUT,
    *,
    key: str | None = None,
    **context: Any,  # noqa: ANN401 fields of LogContext
) -> Change:
    return Change(
        job_id=new_job_id(),
        type=kind,
        quantity=quantity,
        context=LogContext(**context),
        request_id=None if key is None else RequestId(key),
        fingerprint="" if key is None else f"payload of {key}",
    )


def output(quantity: Number = 1, *, key: str | None = None, **context: Any) -> Change:  # noqa: ANN401
    return change(quantity, ChangeType.OUTPUT, key=key, **context)


def scan(barcode: str = "SN-1", step: str = STEP, *, key: str | None = None) -> Change:
    return change(
        1,
        key=key,
        related_barcode=barcode,
        process_step_id=step,
        barcode_operation="SCAN_PROCESS",
    )


def unbind(barcode: str = "SN-1", quantity: Number = -1) -> Change:
    return change(quantity, related_barcode=barcode, barcode_operation="UNBIND_PROCESS")


def decide(
    order: StoredOrder,
    *changes: Change,
    epoch: Epoch = FIRST,
    carried: Sequence[Outcome] = (),
    refused: Sequence[Change] = (),
    at: datetime | None = None,
) -> ChangeSet:
    """Apply the rules to an order as read; `refused` are refused as repeated scans."""
    at = at or tick()
    state, entries = order.state, list[LogEntry]()
    for each in changes:
        before = state
        state, applied = apply(before, each, at)
        entries.append(
            LogEntry(
                work_order_id=order.id,
                seq=order.seq + len(entries) + 1,
                epoch=epoch,
                change=each,
                facts=order.facts,
                applied_quantity=applied,
                before_quantity=_moved(before, each),
                after_quantity=_moved(state, each),
                before_status=before.status,
                after_status=state.status,
                before_progress=before.progress,
                after_progress=state.progress,
                operate_time=at,
            )
        )
    refusals = [Refusal(order.id, epoch, each, at) for each in refused]
    return ChangeSet(order, state, (*entries, *refusals), tuple(carried), at)


def _moved(state: OrderState, made: Change) -> Number:
    return state.input_quantity if made.type is ChangeType.INPUT else state.output_quantity


@dataclass(frozen=True, slots=True)
class Applied:
    """A change set that was committed, and the order after it."""

    changes: ChangeSet
    order: StoredOrder


async def loaded(store: Store, order_id: WorkOrderId) -> StoredOrder:
    [order] = await store.load([order_id])
    assert order is not None
    return order


async def committed(
    store: Store, changes: ChangeSet, epoch: Epoch = FIRST, *, relayed: bool = True
) -> StoredOrder:
    """Commit one change set that must be applied, and copy it to the log unless told not to."""
    [result] = await store.commit(epoch, [changes])
    assert isinstance(result, Committed), result
    if relayed:
        await store.relay(changes.outcomes)
    return result.order


async def applied(
    store: Store,
    order: StoredOrder | WorkOrderId,
    *changes: Change,
    epoch: Epoch = FIRST,
    relayed: bool = True,
    at: datetime | None = None,
) -> Applied:
    """Decide and commit in one go; `order` as read before, or its id to read it now."""
    before = await loaded(store, order) if isinstance(order, str) else order
    made = decide(before, *changes, epoch=epoch, at=at)
    return Applied(made, await committed(store, made, epoch, relayed=relayed))


async def commit_one(store: Store, changes: ChangeSet, epoch: Epoch = FIRST) -> CommitResult:
    [result] = await store.commit(epoch, [changes])
    return result


async def whole_log(store: Store, order_id: WorkOrderId) -> list[Mapping[str, Any]]:
    """Read all of an order's log, newest first."""
    page = await store.log_page(LogQuery(order_id, page_size=1000))
    assert page.total == len(page.logs)
    return list(page.logs)


async def logged_jobs(store: Store, order_id: WorkOrderId) -> list[str]:
    """Read the job ids of an order's log, oldest first."""
    return [each["_id"] for each in reversed(await whole_log(store, order_id))]


def jobs(*changes: Change) -> list[str]:
    return [each.job_id for each in changes]


def told(outcomes: Mapping[Any, Outcome]) -> dict[str, dict[str, Any]]:
    """Return outcomes as documents: read from a log they have the default reason spelled out."""
    return {str(key): outcome_document(outcome) for key, outcome in outcomes.items()}
