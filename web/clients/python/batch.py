"""Many updates at once: their results in the order given, what is unsettled sent again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from .calls import Request, Unsettled
from .results import Invalid, Result, Update, make_item

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .calls import Calls, Reply

BATCH_PATH: Final = "/api/workorder/batch-update-quantity"
OF_THE_CALL: Final = frozenset({"INVALID_JSON", "INVALID_UPDATES", "BODY_TOO_LARGE"})
"""Refusals of a whole call for what is in it, where each update alone may be fine."""
MAX_BYTES: Final = 512 * 1024
"""Of one call; half of what the service takes by default."""
_AT_ONCE: Final = 500
"""Items of one call; the service takes 1,000 by default."""


def batch_request(updates: Sequence[Update]) -> Request:
    """Make the call for updates, which are JSON already."""
    items = ",".join(update.text for update in updates)
    return Request("POST", BATCH_PATH, f'{{"updates":[{items}]}}'.encode())


def head(updates: Sequence[Update], count: int) -> Sequence[Update]:
    """Return of the first `count` what one call may carry."""
    size = 0
    for number, update in enumerate(updates[:count]):
        size += len(update.text.encode()) + 1
        if number and size > MAX_BYTES:
            return updates[:number]
    return updates[:count]


def results_of(reply: Reply, count: int) -> list[dict[str, Any]]:
    """Return the items' results; raises `Unsettled` where there are not as many as were sent."""
    results = reply.data.get("results")
    if not isinstance(results, list) or len(results) != count:
        raise Unsettled("TIMEOUT", "an answer without the results", maybe_applied=True)
    return [each if isinstance(each, dict) else {} for each in results]


def is_unsettled(result: dict[str, Any]) -> bool:
    """Return whether an item may be sent again: not applied yet, or nobody knows."""
    if result.get("success") is True:
        return False
    return result.get("retryable") is True or result.get("code") in ("TIMEOUT", None)


class Batch:
    """A batch as a caller gives it, taken apart into updates and those that are wrong."""

    def __init__(self, items: object, refuse: Callable[[str], Result]) -> None:
        self._slots: list[Update | Result] = []
        for item in items if isinstance(items, list | tuple) else ():
            try:
                self._slots.append(make_item(item))
            except Invalid as error:
                self._slots.append(refuse(error.code))

    @property
    def updates(self) -> list[Update]:
        """Return those that can be sent."""
        return [each for each in self._slots if isinstance(each, Update)]

    def __len__(self) -> int:
        return len(self._slots)

    def result(self, outcomes: Sequence[Result]) -> Result:
        """Put the updates' results where the updates were."""
        given = iter(outcomes)
        results = [
            {"index": index, **(next(given) if isinstance(slot, Update) else slot)}
            for index, slot in enumerate(self._slots)
        ]
        succeeded = sum(each["success"] is True for each in results)
        codes = {each["code"] for each in results}
        fallback = [each.get("fallback") is True for each in results]
        if all(fallback) and not succeeded:
            # None was applied: the call failed as a whole, which callers may know.
            first = results[0]
            about = {name: first[name] for name in ("success", "code", "error", "fallback")}
            return {**about, "results": results}
        some = "PARTIALLY_UPDATED" if succeeded else "NOT_UPDATED"
        return {
            "success": True,
            "code": codes.pop() if len(codes) == 1 and succeeded else some,
            "fallback": any(fallback),
            "total": len(results),
            "succeeded": succeeded,
            "failed": len(results) - succeeded,
            "results": results,
        }


class BatchSender:
    """Sends updates until each is settled or the time is over; those of one order in order."""

    def __init__(self, calls: Calls, updates: Sequence[Update], end: float) -> None:
        self._calls = calls
        self._end = end
        self._pending = list(updates)
        self._at_once = _AT_ONCE
        self.results: dict[Update, Result | Unsettled] = {}

    async def run(self, answered: Callable[[Reply], Result]) -> None:
        """Fill `results`; what it has as `Unsettled` is still open."""
        pause_s = 0.1
        while self._pending:
            chunk = head(self._pending, self._at_once)
            try:
                settled = await self._send(chunk, answered)
            except Unsettled as error:
                self._note(chunk, error)
                break
            if not settled:
                pause_s = min(2 * pause_s, 2.0)
                if asyncio.get_running_loop().time() + pause_s >= self._end:
                    break
                await asyncio.sleep(pause_s)
        for update in self._pending:
            self.results.setdefault(update, Unsettled("SERVICE_UNAVAILABLE", "not sent"))

    async def _send(self, chunk: Sequence[Update], answered: Callable[[Reply], Result]) -> bool:
        """Send a chunk; tell whether all that was sent is settled."""
        reply = await self._calls.call(batch_request(chunk), self._end)
        if reply.status not in range(200, 300):
            if reply.code in OF_THE_CALL and len(chunk) > 1:
                self._at_once = len(chunk) // 2
                return True
            self.results |= {each: each.result(**answered(reply)) for each in chunk}
            self._pending = self._pending[len(chunk) :]
            return True
        unsettled = []
        for update, result in zip(chunk, results_of(reply, len(chunk)), strict=True):
            if is_unsettled(result):
                unsettled.append(update)
                code = str(result.get("code", "TIMEOUT"))
                self._note([update], Unsettled(code, str(result.get("message", code))))
            else:
                self.results[update] = self._told(update, result)
        # What is unsettled goes first: a later update of its order must not overtake it.
        self._pending = unsettled + self._pending[len(chunk) :]
        return not unsettled

    def _note(self, updates: Sequence[Update], error: Unsettled) -> None:
        """Keep in mind for each whether it may have been applied, by this or an earlier call."""
        for update in updates:
            earlier = self.results.get(update)
            in_doubt = isinstance(earlier, Unsettled) and earlier.maybe_applied
            doubt = in_doubt or error.maybe_applied or error.code == "TIMEOUT"
            code = "TIMEOUT" if doubt else error.code
            self.results[update] = Unsettled(code, error.reason, maybe_applied=doubt)

    @staticmethod
    def _told(update: Update, result: dict[str, Any]) -> Result:
        if result.get("success") is True:
            return update.result(**{**result, "fallback": False})
        failed = {"error": result.get("message", ""), "fallback": False}
        return update.result(**{**result, **failed})
