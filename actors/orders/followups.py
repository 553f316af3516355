"""What follows by itself from counts and operations: originals completed, next orders started.

Each is an operation of its own order, with an entry of its own. A completion that a kill, a pause
or a store that is away keeps from being done, a look at all orders does later; a start, a repeat
of the call that completed the order before.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeGuard

import structlog

from actors.domain.messages import Updated, UpdateQuantity
from actors.domain.model import Change, LogContext, Operation, RequestId, Status, new_job_id
from actors.domain.operations import is_all_counted
from actors.errors import WorkOrderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.domain.decide import Verdict
    from actors.domain.model import JobId, OrderState, WorkOrderId
    from actors.orders.region import Region
    from actors.store.port import Store

_log = structlog.get_logger(__name__)

EVERY_S: Final = 60.0
"""Seconds between two looks at all originals."""
WITHIN_S: Final = 30.0
"""What each operation may take."""
_REMEMBERED: Final = 1_000
_WITH_SUPPLEMENTS: Final = LogContext(reason="补单全部完成")
_AFTER_ANOTHER: Final = LogContext(reason="上一工单已完成")


class Followups:
    """Does what follows, one order at a time, as long as its owner is one."""

    def __init__(self, store: Store, region: Region, *, start_next: bool) -> None:
        self._store, self._region = store, region
        self._start_next = start_next
        self._noted: dict[WorkOrderId, JobId | None] = {}
        """Orders to look at, and what completed them, if it did."""
        self._followed: deque[JobId] = deque(maxlen=_REMEMBERED)
        """What completed orders lately, and was followed by the next: a repeat starts no other."""
        self._wake = asyncio.Event()

    def note(self, order_id: WorkOrderId, state: OrderState, verdicts: Sequence[Verdict]) -> None:
        """Look at an order soon, if what it is now may have consequences."""
        if state.status == Status.COMPLETED:
            completing = next(filter(_completes, verdicts), None)
            if completing is None:
                return
            self._noted[order_id] = completing.change.job_id
        elif state.scrap_quantity and is_all_counted(state):
            self._noted.setdefault(order_id, None)
        else:
            return
        self._wake.set()

    async def run(self) -> None:
        """Do what follows until cancelled; what was left before first."""
        while True:
            await self._close(None)
            look_again = time.monotonic() + EVERY_S
            while (left_s := look_again - time.monotonic()) > 0:
                if self._noted:
                    order_id = next(iter(self._noted))
                    await self._follow(order_id, self._noted.pop(order_id))
                    continue
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await self._wake.wait()

    async def _follow(self, order_id: WorkOrderId, completed_by: JobId | None) -> None:
        await self._close(order_id)
        if completed_by is not None and self._start_next:
            with _logged("next", order_id):
                await self._start_after(order_id, completed_by)

    async def _start_after(self, order_id: WorkOrderId, completed_by: JobId) -> None:
        if completed_by in self._followed:
            return
        following = await self._store.next_order(order_id)
        if following is not None:
            key = RequestId(f"next-after-{completed_by}")
            await self._region.operate(_operation(following, Operation.START, key))
        self._followed.append(completed_by)

    async def _close(self, order_id: WorkOrderId | None) -> None:
        """Complete what is closable: an order and its original, or any."""
        found: list[WorkOrderId] = []
        with _logged("look", order_id):
            found = await self._store.closable(order_id)
        for each in found:
            with _logged("complete", each):
                message = _operation(each, Operation.COMPLETE)
                await self._region.complete_with_supplements(message, self._store.closable)


@contextmanager
def _logged(what: str, order_id: WorkOrderId | None) -> Iterator[None]:
    """Log what fails; the next look at all orders comes."""
    try:
        yield
    except WorkOrderError as error:
        _log.info("followup_not_done", what=what, work_order_id=order_id, error=str(error))
    except Exception as error:  # noqa: BLE001 -- a spoilt order must not end the term
        _log.error("followup_failed", what=what, work_order_id=order_id, exc_info=error)


def _completes(verdict: Verdict) -> TypeGuard[Updated]:
    return (
        isinstance(verdict, Updated)
        and verdict.after_status == Status.COMPLETED
        and verdict.before_status != Status.COMPLETED
    )


def _operation(
    order_id: WorkOrderId, what: Operation, key: RequestId | None = None
) -> UpdateQuantity:
    context = _WITH_SUPPLEMENTS if what is Operation.COMPLETE else _AFTER_ANOTHER
    change = Change(new_job_id(), what, 0, context, key, "" if key is None else what.value)
    return UpdateQuantity(order_id, change, time.monotonic() + WITHIN_S)
