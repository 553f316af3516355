"""Orders and changes for the tests of the rules: made plainly, or drawn by hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Final

from hypothesis import strategies as st

from actors.domain.commit import StoredOrder
from actors.domain.decide import Decision, decide
from actors.domain.evidence import Evidence, Refusal
from actors.domain.model import (
    MAX_QUANTITY,
    SCAN_PROCESS,
    Change,
    ChangeType,
    Epoch,
    JobId,
    LogContext,
    Number,
    Operation,
    OrderFacts,
    OrderState,
    RequestId,
    WorkOrderId,
)

AT: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
EARLIER: Final = datetime(2026, 11, 22, 8, tzinfo=UTC)
EPOCH: Final = Epoch(7)
ORDER_ID: Final = WorkOrderId("0123456789abcdef01234567")
FACTS: Final = OrderFacts(work_order_no="WO-1", material_code="1.02.003", material_name="主控板")
STEP: Final = "6560a0000000000000000003"
OTHER_STEP: Final = "6560a0000000000000000004"

_job_numbers = count(1)


def new_job() -> JobId:
    return JobId(f"{next(_job_numbers):024x}")


def make_change(
    kind: ChangeType | Operation,
    quantity: Number,
    key: str | None = None,
    context: LogContext | None = None,
) -> Change:
    """Make a change as the web layer does: only what has a key has a fingerprint."""
    context = context or LogContext()
    return Change(
        job_id=new_job(),
        type=kind,
        quantity=quantity,
        context=context,
        request_id=None if key is None else RequestId(key),
        fingerprint="" if key is None else repr((kind, quantity, context)),
    )


def input_of(quantity: Number = 1, key: str | None = None, **context: Any) -> Change:  # noqa: ANN401 fields of LogContext
    return make_change(ChangeType.INPUT, quantity, key, LogContext(**context))


def output_of(quantity: Number = 1, key: str | None = None, **context: Any) -> Change:  # noqa: ANN401 the same
    return make_change(ChangeType.OUTPUT, quantity, key, LogContext(**context))


def scan(barcode: str = "SN-1", step: str = STEP, key: str | None = None) -> Change:
    return input_of(
        1,
        key,
        related_barcode=barcode,
        process_step_id=step,
        barcode_operation=SCAN_PROCESS,
    )


def unbind(barcode: str = "SN-1", quantity: Number = -1, key: str | None = None) -> Change:
    return input_of(quantity, key, related_barcode=barcode, barcode_operation="UNBIND_PROCESS")


def stored_order(state: OrderState | None = None, seq: int = 0) -> StoredOrder:
    return StoredOrder(ORDER_ID, FACTS, state or OrderState(), seq=seq, adopted=True)


def decided(
    *changes: Change,
    state: OrderState | None = None,
    seq: int = 0,
    evidence: Evidence | None = None,
) -> Decision:
    """Decide a batch on an order whose log says nothing but `evidence`."""
    known = Evidence() if evidence is None else evidence
    return decide(stored_order(state, seq), changes, known, EPOCH, AT)


def known_refusal(change: Change) -> Refusal:
    return Refusal(ORDER_ID, EPOCH, change, EARLIER)


def exact(value: Number) -> Decimal:
    """Return the number that people read, not the binary fraction next to it."""
    return Decimal(repr(value))


def thousandths(most: int) -> st.SearchStrategy[Number]:
    """Draw numbers of up to three decimals, at most `most` either side of 0."""
    return st.integers(-most * 1000, most * 1000).map(_from_thousandths)


def _from_thousandths(value: int) -> Number:
    return value // 1000 if value % 1000 == 0 else value / 1000


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the quantities of one example look like."""

    stored: st.SearchStrategy[Number]
    asked: st.SearchStrategy[Number]


WHOLE: Final = Sizes(st.integers(0, 40), st.integers(-50, 50))
DECIMAL: Final = Sizes(thousandths(40).map(abs), thousandths(50))
# Beyond 15 digits a double has no room for decimals: whole numbers only.
HUGE: Final = Sizes(
    st.integers(MAX_QUANTITY - 5, MAX_QUANTITY) | st.integers(0, 5),
    st.integers(-MAX_QUANTITY, -MAX_QUANTITY + 5)
    | st.integers(-5, 5)
    | st.integers(MAX_QUANTITY - 5, MAX_QUANTITY),
)
STATUSES: Final = ("PENDING", "IN_PROGRESS", "PAUSED", "COMPLETED", "CANCELLED", None)


@st.composite
def orders(draw: st.DrawFn, sizes: Sizes) -> OrderState:
    """Draw an order; one in a few has no plan, or one that scrap cancels out."""
    return OrderState(
        input_quantity=draw(sizes.stored),
        output_quantity=draw(sizes.stored),
        plan_production_quantity=draw(st.none() | st.just(0) | sizes.stored),
        scrap_quantity=draw(st.just(0) | sizes.stored | sizes.stored.map(lambda value: -value)),
        status=draw(st.sampled_from(STATUSES)),
        progress=draw(st.integers(0, 100)),
        ended_at=draw(st.sampled_from([None, EARLIER])),
    )


CONTEXTS: Final = st.builds(
    LogContext,
    related_barcode=st.sampled_from(["SN-1", "SN-1", "SN-2", None]),
    process_step_id=st.sampled_from([STEP, STEP, OTHER_STEP, None]),
    barcode_operation=st.sampled_from([SCAN_PROCESS, SCAN_PROCESS, "UNBIND_PROCESS", "OTHER"]),
)
KINDS: Final = st.sampled_from(ChangeType)
KEYS: Final = st.sampled_from([None, None, None, "key-1", "key-2", "key-3"])


def changes(sizes: Sizes) -> st.SearchStrategy[Change]:
    """Draw a change; barcodes, steps and keys are few, so that they meet again."""
    quantities = sizes.asked | st.sampled_from([1, 1, -1])
    return st.builds(make_change, KINDS, quantities, KEYS, CONTEXTS)


SIZES: Final = st.sampled_from([WHOLE, DECIMAL, HUGE])
