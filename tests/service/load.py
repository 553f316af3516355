"""Callers that send every call with its key until it is settled, whatever happens meanwhile.

Old callers among them have no keys: they repeat only what they were told is not applied.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final

import aiohttp

from tests.trace import FULL, Call, Update, endless_calls, order_id, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trace import Answer, Outcome

_NOT_APPLIED: Final = frozenset({"SERVICE_UNAVAILABLE", "MAILBOX_FULL"})
_UNSETTLED: Final = _NOT_APPLIED | {"TIMEOUT"}
_SETTLED_DEADLINE_S: Final = 240
_PAUSE_S: Final = 0.2


@dataclass(slots=True)
class Load:
    """Callers at work; `answers` are the settled ones, `mistakes` what no checker sees later."""

    client: aiohttp.ClientSession
    seed: int
    callers: int = 16
    old_callers: int = 3
    answers: list[Answer] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    unknown: list[Update] = field(default_factory=list)
    """What old callers sent and were never answered for certain."""
    codes: Counter[str] = field(default_factory=Counter)
    """Attempts by the code of their answer; those without one are "broken"."""
    in_flight: int = 0
    attempts: int = 0
    cut_off: int = 0
    """Attempts under way at the last `kill_now` that got no answer."""
    started_at: float = field(default_factory=time.monotonic)
    _stopping: bool = False
    _kills: int = 0
    _under_way: Counter[int] = field(default_factory=Counter)
    """Attempts by the number of kills before they began."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Set the callers to work."""
        for number in range(self.callers):
            self._tasks.append(asyncio.create_task(self._work(f"c{number:02d}")))
        for number in range(self.old_callers):
            self._tasks.append(asyncio.create_task(self._work_without_keys(f"o{number:02d}")))

    async def finish(self) -> list[Outcome]:
        """Let each caller settle the call it is at; give all outcomes."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        return [outcome for answer in self.answers for outcome in answer.outcomes()]

    async def kill_now(self, kill: Callable[[], None]) -> int:
        """Kill something; give how many requests were under way and got no answer."""
        self._kills += 1
        self.cut_off = 0
        kill()
        earlier = range(self._kills)
        await self.until(lambda: not any(self._under_way[each] for each in earlier), "calls cut")
        return self.cut_off

    async def settled(self, count: int) -> None:
        """Wait until that many answers are settled in all."""
        await self.until(lambda: len(self.answers) >= count, f"{count} settled answers")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the load brings about; raises TimeoutError."""
        try:
            async with asyncio.timeout(_SETTLED_DEADLINE_S):
                while not condition():
                    for task in self._tasks:
                        if task.done():
                            task.result()
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise TimeoutError(f"{what}: not in {_SETTLED_DEADLINE_S} s; {self.codes}") from None

    async def _work(self, name: str) -> None:
        for call in endless_calls(self.seed, name):
            if self._stopping:
                return
            copies = [self._settle(call) for _ in range(call.copies)]
            self.answers += await asyncio.gather(*copies)

    async def _work_without_keys(self, name: str) -> None:
        rng = Random(f"{self.seed} {name}")  # noqa: S311 -- a trace
        for number in count():
            if self._stopping:
                return
            context = {"relatedBarcode": f"{name}-{number}"}
            order = order_id(rng.choice((0, 1, 2, 3, rng.randrange(FULL))))
            await self._send_once(Update(order, "output", 1, context))

    async def _send_once(self, update: Update) -> None:
        """Send an update until it may have been applied."""
        while True:
            answer = await self._attempt(Call((update,)))
            code = "TIMEOUT" if answer is None else answer.body["code"]
            if answer is None or code == "TIMEOUT":
                self.unknown.append(update)
                return
            if code not in _NOT_APPLIED:
                self.answers.append(answer)
                return
            self._check_retryable(answer)
            await asyncio.sleep(_PAUSE_S)

    async def _settle(self, call: Call) -> Answer:
        deadline = time.monotonic() + _SETTLED_DEADLINE_S
        surely_not_applied = call.copies == 1 and call.repeats is None
        while time.monotonic() < deadline:
            answer = await self._attempt(call)
            if answer is not None:
                codes = {answer.body["code"], *(each.code for each in answer.outcomes())}
                if not codes & _UNSETTLED:
                    if surely_not_applied:
                        self._check_first(answer)
                    return answer
                self._check_retryable(answer)
                # In a batch some items may be applied when others are not.
                surely_not_applied &= codes <= _NOT_APPLIED
            else:
                surely_not_applied = False
            await asyncio.sleep(_PAUSE_S)
        raise TimeoutError(f"not settled in {_SETTLED_DEADLINE_S} s: {call}")

    async def _attempt(self, call: Call) -> Answer | None:
        self.attempts += 1
        self.in_flight += 1
        began = self._kills
        self._under_way[began] += 1
        try:
            answer = await send(self.client, call)
        except (aiohttp.ClientError, TimeoutError):
            self.codes["broken"] += 1
            self.cut_off += began < self._kills
            return None
        finally:
            self.in_flight -= 1
            self._under_way[began] -= 1
        self.codes[answer.body["code"]] += 1
        return answer

    def _check_first(self, answer: Answer) -> None:
        """Complain where "not applied" was said of what then turns out to be applied."""
        for outcome in answer.outcomes():
            if outcome.replayed:
                self.mistakes.append(f"told not applied, but was: {answer}")

    def _check_retryable(self, answer: Answer) -> None:
        if answer.status in (429, 503) and not answer.retry_after:
            self.mistakes.append(f"no Retry-After: {answer}")
