"""What the kinds of batches share: their items and keys, and one reply for all items."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from web.app_context import CALL
from web.wire.json_body import mended
from web.wire.problems import Problem, RequestError, as_sent, invalid
from web.wire.replies import success
from web.wire.schemas import merge_request_ids
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp import web

    from actors.domain.messages import UpdateQuantity
    from actors.domain.model import RequestId
    from web.app_context import Language
    from web.wire.batches import Batch

ITEM_NUMBERS: Final = "itemNumbers"
"""In the body of a part of a batch: which of its items these are. Believed of nodes alone."""
_LOGGED_ORDERS: Final = 20


def items_of(body: dict[str, object], batch: Batch, limit: int) -> list[object]:
    """Return the items that a body has; raises `RequestError` for none, or more than `limit`."""
    items = body.get(batch.items)
    if not isinstance(items, list) or not items:
        raise invalid("INVALID_UPDATES", batch.items)
    if len(items) > limit:
        raise invalid("INVALID_UPDATES", batch.items, "size", limit=limit, actual=len(items))
    return items


def keys_of(
    request: web.Request, body: dict[str, object], key: RequestId | None, count: int
) -> Callable[[int], str | None]:
    """Return what gives each item, by its place, the key that it has from its batch."""
    key = merge_request_ids(key, body.get("requestId"))
    numbers = _numbers_of(request, body, count)
    return lambda index: key and f"{key}#{numbers[index]}"


def _numbers_of(request: web.Request, body: dict[str, object], count: int) -> Sequence[int]:
    """Return the items' numbers in the batch as its caller sent it, which their keys have."""
    told = body.get(ITEM_NUMBERS)
    call = request[CALL]
    if (call.part is not None or call.believed) and isinstance(told, list):
        numbers = [each for each in told if isinstance(each, int)]
        if len(numbers) == count:
            return numbers
    return range(count)


def item_in(item: object, batch: Batch) -> dict[str, Any]:
    """Return an item that says its order, and what to do; raises `RequestError`."""
    if not isinstance(item, dict):
        raise invalid("MISSING_PARAMS", "workOrderId")
    for field in ("workOrderId", batch.what):
        if item.get(field) in (None, ""):
            raise invalid("MISSING_PARAMS", field)
    return item


def about(parsed: Sequence[UpdateQuantity | Problem]) -> dict[str, object]:
    """Return what the log says of a batch: its size, and the first of its orders."""
    orders = dict.fromkeys(each.work_order_id for each in parsed if not isinstance(each, Problem))
    return {"updates": len(parsed), "work_order_ids": list(islice(orders, _LOGGED_ORDERS))}


def refuse_if_none_was_tried(outcomes: Sequence[object]) -> None:
    """Fail the call as a whole where nothing was applied and all of it may be sent again."""
    first = outcomes[0]
    if isinstance(first, Problem) and all(
        isinstance(each, Problem) and each.retry_after_s is not None for each in outcomes
    ):
        raise RequestError(first)


def batch_reply(
    request: web.Request, batch: Batch, results: Sequence[Mapping[str, Any]]
) -> web.Response:
    """Return what became of the items of a batch, given in their order."""
    succeeded = sum(each["success"] for each in results)
    counts = {"total": len(results), "succeeded": succeeded, "failed": len(results) - succeeded}
    queued = sum(each.get("code") == "QUEUED" for each in results)
    text = _text(batch, succeeded, counts["failed"], queued)
    return success(request, {**counts, "results": results}, text, {**counts, "queued": queued})


def _text(batch: Batch, succeeded: int, failed: int, queued: int) -> str:
    """Return the name of the message about a batch."""
    if not failed:
        return "QUEUED.batch" if queued else batch.done
    if not succeeded:
        return batch.not_done
    return "PARTIALLY_UPDATED.queued" if queued else batch.done_in_part


def refused_item(
    item: object, problem: Problem, batch: Batch, language: Language
) -> dict[str, Any]:
    """Return the row of an item that failed."""
    asked = item if isinstance(item, dict) else {}
    problem = as_sent(problem, str(asked.get("workOrderId")))
    message = render(problem.text, language, problem.params)
    told = (problem.code, message, problem.status, problem.retry_after_s)
    return failed_item(item, batch, told, problem.data)


def failed_item(
    item: object,
    batch: Batch,
    told: tuple[str, str, int, int | None],
    data: Mapping[str, object] | None,
) -> dict[str, Any]:
    """Return the row of an item that failed: with code, message, status, and when to try again."""
    asked = item if isinstance(item, dict) else {}
    code, message, status, retry_after_s = told
    return {
        **(data or {}),
        "success": False,
        "code": code,
        "message": message,
        "error": message,
        "workOrderId": _echo(asked.get("workOrderId")),
        batch.what: _echo(asked.get(batch.what)),
        "retryable": retry_after_s is not None,
        "status": status,
        "retryAfter": retry_after_s,
        "data": data,
    }


def _echo(value: object) -> object:
    """Return what a caller sent in the place of an id or a word, if it can be shown."""
    if isinstance(value, str):
        return mended(value)
    return value if isinstance(value, int | float) else None
