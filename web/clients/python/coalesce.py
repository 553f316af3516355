"""Updates that are asked for together go out together; each is answered as if it went alone.

What is asked for in one turn of the event loop is one batch call. An update that this call
does not settle is sent alone from then on, with the pauses and limits of any call; those of its
order wait behind it, so that they keep their order and a stuck order holds up no others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .batch import batch_request, head, results_of
from .calls import Reply, Request, Unsettled, read_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .calls import Calls
    from .results import Update

UPDATE_PATH: Final = "/api/workorder/update-quantity"
_MOST: Final = 100
"""Updates of one batch."""
_LONGEST_S: Final = 2
"""What one order may hold up the others of its batch: the service answers by then."""
_ALONE_S: Final = 60.0
"""How long all go alone after a batch that was refused for being one."""
_REFUSED: Final = (400, 404, 405, 408, 413)
"""Of a batch as a whole: each of its updates alone may be fine."""
_IN_DOUBT: Final = ("TIMEOUT", "SYSTEM_ERROR", None)
_OF_THE_BATCH: Final = ("index", "code", "message")
"""Fields of an item's result that its `data` would not have."""


def update_request(update: Update) -> Request:
    """Make the call for one update."""
    return Request("POST", UPDATE_PATH, update.text.encode())


@dataclass(slots=True, eq=False)
class _Waiting:
    """An update whose caller waits."""

    update: Update
    request: Request
    end: float
    answer: asyncio.Future[Reply | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """What the attempt came to; None: the caller is to send it alone, now."""
    under_way: bool = False
    """Whether a batch that is not answered yet carries it."""

    def settle(self, reply: Reply | None) -> None:
        """Tell the caller, if it still waits."""
        if not self.answer.done():
            self.answer.set_result(reply)

    def fail(self, error: Unsettled) -> None:
        """Let the caller's attempt fail, if it still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)
            # A caller that stops waiting right now does not look at it.
            self.answer.exception()


class Coalescer:
    """Sends updates, several in one call where that comes about; use within one event loop."""

    def __init__(self, calls: Calls, *, keeps: bool) -> None:
        self._calls = calls
        self._keeps = keeps
        """Whether what is not settled is kept, so that later ones of its order go behind it."""
        self._collected: list[_Waiting] = []
        self._lines: dict[str, deque[_Waiting]] = {}
        """By order: updates that go alone, the first at present, the others behind it."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._alone_until = 0.0

    async def send(self, update: Update, end: float) -> Reply:
        """Send until the service settles it or `end` (loop time) is there; raises `Unsettled`."""
        waiting = _Waiting(update, update_request(update), end)
        settled = kept = False
        try:
            reply = await self._calls.call(waiting.request, end, lambda: self._attempt(waiting))
            settled = True
        except Unsettled:
            kept = self._keeps
            raise
        finally:
            self._leave(waiting, settled=settled, kept=kept)
        return reply

    async def close(self) -> None:
        """Send at once what is collected, and wait for the batches that are under way."""
        self._flush()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _attempt(self, waiting: _Waiting) -> Reply:
        while True:
            reply = await self._answer(waiting)
            if reply is not None:
                return reply
            try:
                return await self._calls.once(waiting.request, waiting.end)
            except Unsettled:
                if self._stand_in_line(waiting):
                    raise

    async def _answer(self, waiting: _Waiting) -> Reply | None:
        """Wait for what a batch makes of an update, or for its turn to be sent alone."""
        if waiting.answer.done():
            waiting.answer = asyncio.get_running_loop().create_future()
        if waiting.update.order not in self._lines:
            self._collect(waiting)
        elif self._stand_in_line(waiting):
            return None
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            waiting.request.maybe_applied |= waiting.under_way
            raise

    # -- the batch ---------------------------------------------------------------------------

    def _collect(self, waiting: _Waiting) -> None:
        if not self._collected:
            asyncio.get_running_loop().call_soon(self._flush)
        self._collected.append(waiting)
        if len(self._collected) == _MOST:
            self._flush()

    def _flush(self) -> None:
        collected, self._collected = self._collected, []
        left = [each for each in collected if not each.answer.done()]
        loop = asyncio.get_running_loop()
        if len(left) == 1:
            left[0].settle(None)
        elif loop.time() < self._alone_until:
            self._part(left)
        else:
            while left:
                count = len(head([each.update for each in left], _MOST))
                task = loop.create_task(self._send(left[:count]))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
                left = left[count:]

    async def _send(self, sent: Sequence[_Waiting]) -> None:
        request = batch_request([each.update for each in sent])
        request.headers = {"Prefer": f"wait={_LONGEST_S}"}
        for each in sent:
            each.under_way = True
        try:
            reply = await self._calls.once(request, max(each.end for each in sent))
            results = results_of(reply, len(sent)) if reply.status in range(200, 300) else None
        except Unsettled as error:
            error.maybe_applied |= request.maybe_applied
            self._missed(sent, error)
        except BaseException:
            self._missed(sent, Unsettled("TIMEOUT", "broken off", maybe_applied=True))
            raise
        else:
            self._answered(sent, reply, results)

    def _missed(self, sent: Sequence[_Waiting], error: Unsettled) -> None:
        for each in sent:
            self._open(each, error)

    def _answered(
        self, sent: Sequence[_Waiting], reply: Reply, results: list[dict[str, Any]] | None
    ) -> None:
        for each in sent:
            each.under_way = False
        if results is not None:
            for each, result in zip(sent, results, strict=True):
                self._take(each, result)
        elif reply.status in _REFUSED:
            self._alone_until = asyncio.get_running_loop().time() + _ALONE_S
            self._part(sent)
        else:
            for each in sent:
                each.settle(reply)

    def _take(self, waiting: _Waiting, result: dict[str, Any]) -> None:
        """Read an item's result as the answer that the update alone would have got."""
        code, message = result.get("code"), result.get("message")
        envelope = {"code": code, "message": message}
        status = result.get("status")
        if result.get("success") is True:
            data = {name: result[name] for name in result if name not in _OF_THE_BATCH}
            waiting.settle(Reply(200, {**envelope, "success": True, "data": data}))
        elif isinstance(status, int):
            body = {**envelope, "success": False, "data": result.get("data")}
            after = result.get("retryAfter")
            try:
                known = after if isinstance(after, int | float) else None
                waiting.settle(read_answer(status, body, known))
            except Unsettled as error:
                self._open(waiting, error)
        else:
            # A service of before says too little of it: an attempt of its own says all.
            waiting.request.maybe_applied |= code in _IN_DOUBT
            self._part([waiting])

    # -- the lines ---------------------------------------------------------------------------

    def _open(self, waiting: _Waiting, error: Unsettled) -> None:
        """Note that a batch did not settle an update; its next attempt is one of its own."""
        waiting.under_way = False
        waiting.request.maybe_applied |= error.maybe_applied
        if not waiting.answer.done() and self._stand_in_line(waiting):
            waiting.fail(_copy(error))

    def _part(self, sent: Iterable[_Waiting]) -> None:
        """Have updates sent alone now, those of one order one after the other."""
        for each in sent:
            if not each.answer.done() and self._stand_in_line(each):
                each.settle(None)

    def _stand_in_line(self, waiting: _Waiting) -> bool:
        """Put an update behind those of its order that go alone; tell whether it is the first."""
        line = self._lines.setdefault(waiting.update.order, deque())
        if waiting not in line:
            line.append(waiting)
        return line[0] is waiting

    def _leave(self, waiting: _Waiting, *, settled: bool, kept: bool) -> None:
        """Take an update out of its line; see to those behind it, where it was the first."""
        order = waiting.update.order
        line = self._lines.get(order)
        if line is None or waiting not in line:
            return
        first = line[0] is waiting
        line.remove(waiting)
        if not line:
            del self._lines[order]
        elif not first:
            return
        elif settled and asyncio.get_running_loop().time() >= self._alone_until:
            del self._lines[order]
            for each in line:
                self._collect(each)
        elif kept:
            del self._lines[order]
            for each in line:
                reason = "an earlier update of its order is kept"
                each.fail(Unsettled("SERVICE_UNAVAILABLE", reason, again=False))
        else:
            line[0].settle(None)


def _copy(error: Unsettled) -> Unsettled:
    """Return one of its own for each update: what is in doubt is noted in it."""
    return Unsettled(
        error.code,
        error.reason,
        maybe_applied=error.maybe_applied,
        retry_after_s=error.retry_after_s,
        again=error.again,
    )
