"""What the log adds up to, straight from the store: every node can say."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from actors.domain.model import WorkOrderId
from actors.errors import StoreUnavailable
from actors.runtime.slices import in_slices
from actors.store.pages import bytes_of
from actors.store.quantities import Dimension
from web.app_context import CALL, CONTEXT
from web.openapi import parameters
from web.openapi.models.statistics import PlanStatistics, QuantityStatistics
from web.route import UNREAD, Route
from web.routes.statistic_rows import (
    columns,
    csv_heading,
    csv_lines,
    net,
    row_fields,
    sheet_rows,
    total_fields,
)
from web.wire.dates import to_text
from web.wire.json_body import encode_rows
from web.wire.queries import MAX_PAGE_BYTES
from web.wire.replies import success
from web.wire.statistics import PERIOD, parse_quantity_query, parse_row_limit
from web.wire.turns import exporting, reading
from web.wire.workbook import Workbook

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from actors.domain.commit import StoredOrder
    from actors.store import Store
    from actors.store.quantities import QuantityQuery, QuantityRow
    from web.openapi.models.statistics import PlanRow

_A_DAY: Final = timedelta(days=1)
_HOUR_S: Final = 3600
_MINUTES: Final = 60
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def quantities(request: web.Request) -> web.Response:
    """Sum up the log, by order, line, operator, hour, shift and more."""
    query, limit = _query(request), parse_row_limit(request.query)
    store = request.app[CONTEXT].node.store
    async with reading(request, limit):
        rows, truncated = await _first_rows(store, query, limit)
        if query.group:
            [total], _ = await _first_rows(store, replace(query, group=()), 1)
        else:
            total = rows.pop()
        options = request.app[CONTEXT].options
        data: dict[str, object] = {
            "startDate": to_text(query.since),
            "endDate": to_text(query.until),
            "timeZone": str(options.time_zone or ""),
            "shifts": [f"{each // _MINUTES:02}:{each % _MINUTES:02}" for each in options.shifts],
            "group": [str(each) for each in query.group],
            "total": total_fields(total),
            "rows": await encode_rows(await in_slices(lambda each: row_fields(query, each), rows)),
            "truncated": truncated,
        }
        return success(request, data, "OK.quantities")


async def quantities_csv(request: web.Request) -> web.StreamResponse:
    """Export all sums of the log as CSV, as fast as they are taken.

    Where the store fails on the way the connection is cut, so that no part is taken for the whole.
    """
    query = _query(request)

    async def csv_parts() -> AsyncIterator[bytes]:
        yield csv_heading(query)
        async with aclosing(_parts(request.app[CONTEXT].node.store, query)) as parts:
            async for rows in parts:
                yield b"".join(await in_slices(lambda each: csv_lines(query, [each]), rows))

    return await _export(request, "quantities.csv", "text/csv; charset=utf-8", csv_parts)


async def quantities_xlsx(request: web.Request) -> web.StreamResponse:
    """Export all sums of the log as a workbook, as fast as they are taken.

    Times are those of the clocks of the service's time zone. A connection is cut as for CSV.
    """
    query = _query(request)
    zone = request.app[CONTEXT].options.time_zone

    async def workbook_parts() -> AsyncIterator[bytes]:
        workbook = Workbook(columns(query))
        async with aclosing(_parts(request.app[CONTEXT].node.store, query)) as parts:
            async for rows in parts:
                # In a thread: packing takes longer than a slice of the loop's.
                yield await asyncio.to_thread(workbook.add, sheet_rows(query, rows, zone))
        yield workbook.end()

    return await _export(request, "quantities.xlsx", _XLSX, workbook_parts)


def _parts(store: Store, query: QuantityQuery) -> AsyncGenerator[Sequence[QuantityRow]]:
    return store.statistics.quantities(query)  # type: ignore[return-value]


async def _export(
    request: web.Request, name: str, media: str, parts: Callable[[], AsyncIterator[bytes]]
) -> web.StreamResponse:
    context = request.app[CONTEXT]
    headers = context.headers.copy()
    headers["X-Request-Id"] = request[CALL].trace.http_request_id  # sent before the end is known
    headers["Content-Type"] = media
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response = web.StreamResponse(headers=headers)
    async with exporting(request):
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            async with aclosing(parts()) as made:  # type: ignore[type-var]
                async for each in made:
                    async with asyncio.timeout(context.options.unread_timeout_s):
                        await response.write(each)
        except (StoreUnavailable, ConnectionError, TimeoutError):
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
    return response


async def plans(request: web.Request) -> web.Response:
    """Show how far orders are, and when they will be done at their present rate.

    Of the orders that had entries in the period, which is the last day unless another is named.
    """
    query = replace(_query(request, _A_DAY), group=(Dimension.ORDER,))
    limit = parse_row_limit(request.query)
    store = request.app[CONTEXT].node.store
    async with reading(request, limit):
        rows, truncated = await _first_rows(store, query, limit)
        some = [each for each in rows if each.keys[0] is not None]
        orders = await store.load([WorkOrderId(str(each.keys[0])) for each in some])
        known = [(order, row) for order, row in zip(orders, some, strict=True) if order is not None]
        data: dict[str, object] = {
            "startDate": to_text(query.since),
            "endDate": to_text(query.until),
            "rows": await encode_rows(
                await in_slices(lambda each: _plan(*each, query.until), known)
            ),
            "truncated": truncated,
        }
        return success(request, data, "OK.plans")


def _query(request: web.Request, period: timedelta = PERIOD) -> QuantityQuery:
    options = request.app[CONTEXT].options
    now = datetime.now(UTC)
    return parse_quantity_query(request.query, options.time_zone, options.shifts, now, period)


async def _first_rows(
    store: Store, query: QuantityQuery, limit: int
) -> tuple[list[QuantityRow], bool]:
    """Return so many rows, or fewer where their texts are large; tell whether there are more."""
    found: list[QuantityRow] = []
    taken = 0
    async with aclosing(_parts(store, replace(query, limit=limit + 1))) as parts:
        async for part in parts:
            sizes = await in_slices(lambda row: bytes_of((row.keys, row.names)), part)
            for row, size in zip(part, sizes, strict=True):
                taken += size
                if len(found) == limit or (found and taken > MAX_PAGE_BYTES):
                    return found, True
                found.append(row)
    return found, False


def _plan(order: StoredOrder, row: QuantityRow, until: datetime) -> PlanRow:
    state, plan = order.state, order.state.plan_production_quantity
    made = net(row.output)
    hours = (until - row.first).total_seconds() / _HOUR_S if row.first else 0.0
    per_hour = made / hours if hours > 0 and made > 0 else 0.0
    remaining = None if plan is None else max(0.0, plan - state.output_quantity)
    expected = None
    if remaining and per_hour:
        try:
            expected = to_text(until + timedelta(hours=remaining / per_hour))
        except OverflowError:
            expected = None  # beyond the calendar
    return {
        "workOrderId": order.id,
        "workOrderNo": order.facts.work_order_no,
        "productionLineName": order.facts.production_line_name,
        "status": state.status,
        "planProductionQuantity": plan,
        "outputQuantity": state.output_quantity,
        "remaining": remaining,
        "fulfilment": round(100 * state.output_quantity / plan, 1) if plan else None,
        "outputInPeriod": made,
        "perHour": round(per_hour, 2),
        "expectedEnd": expected,
    }


_FAILURES: Final = ("INVALID_DATE", "INVALID_TYPE", "INVALID_STATISTICS_QUERY", *UNREAD)
ROUTES: Final = (
    Route(
        name="quantityStatistics",
        method="GET",
        large=True,
        path="/api/statistics/quantities",
        handler=quantities,
        tag="Statistics",
        reply=QuantityStatistics,
        text="OK.quantities",
        failures=_FAILURES,
        parameters=(*parameters.STATISTICS, parameters.ROWS),
    ),
    Route(
        name="quantityExport",
        method="GET",
        path="/api/statistics/quantities.csv",
        handler=quantities_csv,
        tag="Statistics",
        reply=str,
        failures=_FAILURES,
        parameters=parameters.STATISTICS,
        bare=True,
        media="text/csv",
        example="line,lineName,input.added\r\nL1,SMT一线,120\r\n",
    ),
    Route(
        name="quantityWorkbook",
        method="GET",
        path="/api/statistics/quantities.xlsx",
        handler=quantities_xlsx,
        tag="Statistics",
        reply=str,
        failures=_FAILURES,
        parameters=parameters.STATISTICS,
        bare=True,
        media=_XLSX,
        example="PK…",
    ),
    Route(
        name="planStatistics",
        method="GET",
        large=True,
        path="/api/statistics/plans",
        handler=plans,
        tag="Statistics",
        reply=PlanStatistics,
        text="OK.plans",
        failures=_FAILURES,
        parameters=(*parameters.STATISTICS[1:], parameters.ROWS),
    ),
)
