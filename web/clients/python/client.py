"""The client: what callers call, and the results that they get."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from .batch import Batch, BatchSender
from .calls import Calls, Reply, Request, Unsettled
from .coalesce import Coalescer, update_request
from .outbox import Outbox
from .outbox_file import DeadLetter, KeyTaken, OutboxFull, OutboxUnusable, Usage
from .replay import Replayer
from .results import (
    QUEUED_FALLBACK,
    Asked,
    Invalid,
    Result,
    Update,
    make_operation,
    make_operations,
    make_update,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from .options import ClientOptions

_API: Final = "/api/workorder"
_FOR_THE_DISK: Final = 0.2
"""Of a call's time, what is kept for the outbox."""
_MOST_FOR_THE_DISK_S: Final = 1.0


class PlanServerClient:
    """Calls the service at one of several addresses, and keeps what can't be delivered.

    Results are dicts. Success has `success: True`, `code`, `message` and the fields of the
    service's `data` (`jobId`, `queueLength`, …); failure has `success: False`, `code`, `error`
    and `fallback`, which is True only where the update was surely not applied and will not be.
    No method raises for what the service or the network does. Use it as a context manager.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        options: ClientOptions,
        *,
        on_dead_letter: Callable[[DeadLetter], object] | None = None,
    ) -> None:
        self._options = options
        self._calls = Calls([addresses] if isinstance(addresses, str) else addresses, options)
        self._outbox = Outbox(options) if options.fallback else None
        self._coalescer = None
        if options.coalesce:
            self._coalescer = Coalescer(self._calls, keeps=options.fallback)
        self._on_dead_letter = on_dead_letter
        self._replaying: asyncio.Task[None] | None = None

    @classmethod
    def from_environment(
        cls,
        options: ClientOptions,
        *,
        on_dead_letter: Callable[[DeadLetter], object] | None = None,
    ) -> Self:
        """Take the addresses from PLAN_SERVER_HOST (several with commas) and PLAN_SERVER_PORT."""
        port = os.environ.get("PLAN_SERVER_PORT", "").strip() or "3001"
        hosts = os.environ.get("PLAN_SERVER_HOST", "").strip() or "127.0.0.1"
        addresses = [f"http://{each.strip()}:{port}" for each in hosts.split(",") if each.strip()]
        return cls(addresses, options, on_dead_letter=on_dead_letter)

    async def open(self) -> None:
        """Open the outbox and begin to replay it; raises `OutboxUnusable`."""
        if self._outbox is not None and self._replaying is None:
            await self._outbox.open()
            replayer = Replayer(self._outbox, self._calls, self._options, self._on_dead_letter)
            self._replaying = asyncio.create_task(replayer.run(), name="plan-server-replayer")

    async def close(self) -> None:
        """Stop replaying and close all; what is in the outbox stays there. Idempotent.

        Updates that are being collected are sent, and the batches under way answered, before.
        """
        replaying, self._replaying = self._replaying, None
        if replaying is not None:
            replaying.cancel()
            with suppress(asyncio.CancelledError):
                await replaying
        if self._coalescer is not None:
            await self._coalescer.close()
        if self._outbox is not None:
            await self._outbox.close()
        await self._calls.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # -- updates -----------------------------------------------------------------------------

    async def update_work_order_quantity(
        self,
        work_order_id: object,
        type: str,  # noqa: A002 -- the field's name in the contract
        quantity: float = 1,
        log_context: Mapping[str, Any] | None = None,
        *,
        request_id: str | None = None,
    ) -> Result:
        """Apply one change once. Without `request_id` it gets a key of its own."""
        start = asyncio.get_running_loop().time()
        try:
            update = make_update(work_order_id, type, quantity, log_context, request_id)
        except Invalid as error:
            return self._failed(error.code, status=400)
        [result] = await self._deliver([update], start, self._send_one)
        return result

    async def batch_update_work_order_quantity(
        self, updates: Sequence[Mapping[str, Any]]
    ) -> Result:
        """Apply many changes; each has the fields of a single one, and may have `requestId`.

        `results` has each one's result, in the order given. One that is wrong fails alone.
        """
        start = asyncio.get_running_loop().time()
        batch = Batch(updates, lambda code: self._failed(code, status=400))
        if not len(batch):
            return self._failed("INVALID_UPDATES", status=400)
        sent = batch.updates
        return batch.result(await self._deliver(sent, start, self._send_many) if sent else [])

    async def _deliver(
        self,
        updates: list[Update],
        start: float,
        send: Callable[[list[Update], float], Awaitable[list[Result | Unsettled]]],
    ) -> list[Result]:
        """Send what may be sent now, keep the rest; always answered by the deadline."""
        end = start + self._options.deadline_s
        outbox = self._outbox
        if outbox is None:
            return [
                self._given_up(update, result) if isinstance(result, Unsettled) else result
                for update, result in zip(updates, await send(updates, end), strict=True)
            ]
        spare_s = min(_MOST_FOR_THE_DISK_S, _FOR_THE_DISK * self._options.deadline_s)
        outcome: dict[Update, Result | Unsettled] = {}
        try:
            async with asyncio.timeout_at(end):
                waiting = await outbox.waiting({each.order for each in updates})
                if direct := [each for each in updates if each.order not in waiting]:
                    outcome = dict(zip(direct, await send(direct, end - spare_s), strict=True))
                left = [each for each in updates if not isinstance(outcome.get(each), dict)]
                kept = await asyncio.gather(*map(outbox.put, left), return_exceptions=True)
                for each, length in zip(left, kept, strict=True):
                    outcome[each] = self._kept(each, length, outcome.get(each))
        except (TimeoutError, OutboxUnusable) as error:
            for each in updates:
                outcome[each] = self._kept(each, error, outcome.get(each))
        return [result for each in updates if isinstance(result := outcome[each], dict)]

    def _kept(
        self, update: Update, length: int | BaseException, sent: Result | Unsettled | None
    ) -> Result:
        """Tell what became of an update that was to go to the outbox, after it was `sent`."""
        if isinstance(sent, dict):
            return sent
        if isinstance(length, int):
            message = text_of(QUEUED_FALLBACK, self._options.language)
            about = {"success": True, "code": QUEUED_FALLBACK, "message": message}
            return update.result(**about, fallback=True, jobId=update.key, queueLength=length)
        if sent is not None and sent.maybe_applied:
            return self._given_up(update, sent)
        if isinstance(length, OutboxFull):
            return update.result(**self._failed("OUTBOX_FULL", fallback=True))
        if isinstance(length, KeyTaken):
            return update.result(**self._failed("REQUEST_ID_CONFLICT", status=422))
        # The thread may only be late, and keep it yet.
        return update.result(**self._failed("OUTBOX_FAILED", str(length)))

    async def _send_one(self, updates: list[Update], end: float) -> list[Result | Unsettled]:
        [update] = updates
        try:
            if self._coalescer is None:
                reply = await self._calls.call(update_request(update), end)
            else:
                reply = await self._coalescer.send(update, end)
        except Unsettled as error:
            return [error]
        return [update.result(**self._answered(reply))]

    async def _send_many(self, updates: list[Update], end: float) -> list[Result | Unsettled]:
        sender = BatchSender(self._calls, updates, end)
        await sender.run(self._answered)
        return [sender.results[update] for update in updates]

    # -- operations --------------------------------------------------------------------------

    async def operate_work_order(
        self,
        work_order_id: object,
        operation: str,
        *,
        quantity: float | None = None,
        plan_production_quantity: float | None = None,
        supplement_quantity: float | None = None,
        log_context: object = None,
        request_id: str | None = None,
    ) -> Result:
        """Do an operation of a whole order: start, pause, resume, cancel, complete, and so on.

        It is sent again, with one key, until it is known what became of it or the deadline is
        there; it never waits in the outbox, as its rules hold for now.
        """
        try:
            asked = make_operation(
                operation,
                quantity,
                plan_production_quantity,
                supplement_quantity,
                log_context,
                request_id,
            )
        except Invalid as error:
            return self._failed(error.code)
        return await self._operate(f"{quote(str(work_order_id), safe='')}/operations", asked)

    async def batch_operate_work_orders(
        self, operations: Sequence[Mapping[str, Any]], *, request_id: str | None = None
    ) -> Result:
        """Do many operations: each a mapping with `workOrderId`, `operation` and what it needs.

        `results` has each one's answer, in the order given. It is sent again as one alone is, by
        one key for all: what is done is not done twice.
        """
        try:
            asked = make_operations(operations, request_id)
        except Invalid as error:
            return self._failed(error.code)
        return await self._operate("batch-operations", asked)

    async def _operate(self, path: str, asked: Asked) -> Result:
        end = asyncio.get_running_loop().time() + self._options.deadline_s
        try:
            request = Request("POST", f"{_API}/{path}", asked.body)
            reply = await self._calls.call(request, end)
        except Unsettled as error:
            code = "TIMEOUT" if error.maybe_applied else "SERVICE_UNAVAILABLE"
            reason = "" if error.maybe_applied else error.reason
            failed = self._failed(code, reason, fallback=not error.maybe_applied)
            return {**failed, "requestId": asked.key}
        return {**self._answered(reply), "requestId": asked.key}

    # -- reads -------------------------------------------------------------------------------

    async def get_work_order_detail(self, work_order_id: object) -> Result:
        """Show an order."""
        return await self._read(f"/detail/{quote(str(work_order_id), safe='')}")

    async def get_quantity_logs(
        self,
        work_order_id: object,
        *,
        page: int | None = None,
        page_size: int | None = None,
        change_type: str | None = None,
        start_date: str | None = None,
        end_date: str | None = None,
    ) -> Result:
        """Show a page of an order's log, newest first."""
        query = {
            "page": page,
            "pageSize": page_size,
            "changeType": change_type,
            "startDate": start_date,
            "endDate": end_date,
        }
        return await self._read(f"/quantity-logs/{quote(str(work_order_id), safe='')}", query)

    async def get_queue_stats(self) -> Result:
        """Count the service's updates: waiting, active, completed, failed, delayed."""
        return await self._read("/queue/stats")

    async def health_check(self) -> Result:
        """Ask each address in turn until one says that updates can be served."""
        result: Result = {}
        end = asyncio.get_running_loop().time() + self._options.attempt_s
        for address in self._calls.breakers:
            try:
                status, body = await self._calls.look(address, "/health", end)
            except Unsettled as error:
                result = result or self._failed("SERVICE_UNAVAILABLE", error.reason, fallback=True)
                continue
            if status in range(200, 300) and body.get("status") == "ok":
                return {**body, "success": True, "code": "OK"}
            result = {**body, **self._failed("SERVICE_UNAVAILABLE", fallback=True)}
        return result

    async def is_service_available(self) -> bool:
        """Return whether updates would be served now."""
        return (await self.health_check())["success"] is True

    def get_config(self) -> Result:
        """Show where calls go and how; asks nobody."""
        options = self._options
        addresses = list(self._calls.breakers)
        return {
            "baseURL": addresses[0],
            "addresses": addresses,
            "timeout": round(options.deadline_s * 1000),
            "fallback": options.fallback,
            "coalesce": options.coalesce,
            "outbox": None if options.outbox is None else str(options.outbox),
            "breakers": {name: breaker.state for name, breaker in self._calls.breakers.items()},
        }

    # -- the outbox --------------------------------------------------------------------------

    async def outbox_usage(self) -> Usage:
        """Count what waits; raises `OutboxUnusable`, also where there is no outbox."""
        outbox = self._some_outbox()
        return await outbox.run(outbox.file.usage)

    async def dead_letters(self, limit: int = 1000) -> list[DeadLetter]:
        """Return what the service refused when it was replayed, oldest first."""
        outbox = self._some_outbox()
        return await outbox.run(outbox.file.dead_letters, limit=limit)

    async def forget_dead_letter(self, letter: DeadLetter) -> None:
        """Show a dead letter no more, once somebody has seen to it; raises `OutboxUnusable`."""
        outbox = self._some_outbox()
        await outbox.run(outbox.file.forget, letter)

    def _some_outbox(self) -> Outbox:
        if self._outbox is None:
            raise OutboxUnusable("this client has no outbox")
        return self._outbox

    # -- results -----------------------------------------------------------------------------

    async def _read(self, path: str, query: Mapping[str, object] | None = None) -> Result:
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        end = asyncio.get_running_loop().time() + self._options.deadline_s
        try:
            reply = await self._calls.call(Request("GET", _API + path, query=given), end)
        except Unsettled as error:
            return self._failed("SERVICE_UNAVAILABLE", error.reason, fallback=True)
        return self._answered(reply)

    def _answered(self, reply: Reply) -> Result:
        message = str(reply.body.get("message", ""))
        if reply.status in range(200, 300):
            return {**reply.data, "success": True, "code": reply.code, "message": message}
        refused = self._failed(reply.code, message, status=reply.status)
        return {**refused, "data": reply.data} if reply.data else refused

    def _given_up(self, update: Update, error: Unsettled) -> Result:
        if error.maybe_applied:
            return update.result(**self._failed("TIMEOUT"))
        return update.result(**self._failed(error.code, error.reason, fallback=True))

    def _failed(
        self, code: str, reason: str = "", *, status: int | None = None, fallback: bool = False
    ) -> Result:
        error = reason or text_of(code, self._options.language)
        about = {} if status is None else {"status": status}
        return {"success": False, "code": code, "error": error, "fallback": fallback, **about}
