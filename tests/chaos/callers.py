"""Callers that send each change with its key, to one node after the other, until it is settled."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from tests.chaos.crew import Crew
from tests.chaos.history import Intent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.chaos.history import HistoryWriter

UPDATE: Final = "/api/workorder/update-quantity"
FINAL: Final = frozenset({200, 400, 404, 409, 413, 422})
"""Statuses that settle a change: applied, or refused for good."""
_SETTLED_DEADLINE_S: Final = 120
_AGAIN_SHARE: Final = 0.10
_OTHER_SHARE: Final = 0.01
_SCAN_SHARE: Final = 0.05
_QUEUED_SHARE: Final = 0.15
_QUANTITIES: Final = (1, 1, 1, 2, 3, 5, -1, -1, -2, 0.5)
_STEP: Final = "6560a00000000000000000a1"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many callers there are, and the seconds that each rests between two changes."""

    callers: int = 64
    rest_s: float = 0.08
    retry_s: float = 0.03
    roam: bool = True
    """Whether each caller calls every node in turn; else one, as long as that answers anything."""


@dataclass(slots=True)
class Callers(Crew):
    """All callers at work; `served_at` has the times of final answers."""

    orders: Sequence[str]
    history: HistoryWriter
    seed: int
    pace: Pace = field(default_factory=Pace)
    first: int = 0
    """The number of its first caller, where several crews share a history."""
    served_at: list[float] = field(default_factory=list)
    open_at: Counter[int] = field(default_factory=Counter)
    """Requests under way, by node."""
    codes: Counter[str] = field(default_factory=Counter)
    intents: int = 0
    unsettled: int = 0

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self.open_at.total()

    def start(self) -> None:
        """Set the callers to work."""
        self._open()
        for number in range(self.first, self.first + self.pace.callers):
            self._begin(self._work(number))

    async def served(self, count: int, within_s: float = 100) -> None:
        """Wait until so many more final answers have come."""
        goal = len(self.served_at) + count
        await self.until(lambda: len(self.served_at) >= goal, f"{count} answers", within_s)

    async def until(self, condition: Callable[[], bool], what: str, within_s: float = 100) -> None:
        """Wait for something that the callers bring about; raises TimeoutError."""
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    for task in self._tasks:
                        if task.done():
                            task.result()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise TimeoutError(f"{what}: not in {within_s:g} s; {dict(self.codes)}") from None

    async def settle(self, intent: Intent, at_node: int) -> None:
        """Send one change until it is settled, beside the others."""
        self.intents += 1
        self.history.intends(intent)
        await self._until_settled(intent, "first", at_node)

    async def queue(self, intent: Intent, node: int) -> str | None:
        """Send a change that is to wait, once; give its job's id where it was queued."""
        answer = await self._ask(intent, "first", node)
        data = answer.get("data") or {}
        return str(data["jobId"]) if answer.get("code") == "QUEUED" else None

    # -- one caller --------------------------------------------------------------------------

    async def _work(self, number: int) -> None:
        rng = Random(f"{self.seed} {number}")  # noqa: S311 -- a load, not a secret
        later: deque[Intent] = deque()
        count = 0
        while not self._stopping:
            node = (number + count * self.pace.roam) % len(self.urls)
            count += 1
            if len(later) > 5 or (later and rng.random() < _AGAIN_SHARE / 2):
                await self._until_settled(later.popleft(), "again", node)
            else:
                intent = self._draw(rng, f"{number}-{count}")
                await self.settle(intent, node)
                if rng.random() < _AGAIN_SHARE:
                    later.append(intent)
                if rng.random() < _OTHER_SHARE:
                    await self._until_settled(intent, "other", node)
            await asyncio.sleep(rng.uniform(0, 2 * self.pace.rest_s))
        for intent in later:
            await self._until_settled(intent, "again", number % len(self.urls))

    def _draw(self, rng: Random, key: str) -> Intent:
        # The cube favours the first orders: one in five changes goes to the first hundredth.
        order = self.orders[int(len(self.orders) * rng.random() ** 3)]
        kind = rng.choice(("input", "output"))
        context: dict[str, Any] = {"relatedBarcode": f"B{rng.randrange(2000)}"}
        if kind == "input" and rng.random() < 2 * _SCAN_SHARE:
            context |= {
                "relatedBarcode": f"S{rng.randrange(6)}",
                "barcodeOperation": "SCAN_PROCESS",
                "processStepId": _STEP,
            }
            return Intent(key, order, kind, 1, context)
        wait = rng.random() > _QUEUED_SHARE
        return Intent(key, order, kind, rng.choice(_QUANTITIES), context, wait)

    async def _until_settled(self, intent: Intent, purpose: str, node: int) -> None:
        deadline = time.monotonic() + _SETTLED_DEADLINE_S
        while time.monotonic() < deadline:
            status = await self._attempt(intent, purpose, node)
            if status in FINAL:
                self.served_at.append(time.monotonic())
                return
            if self.pace.roam or not status:
                node = (node + 1) % len(self.urls)
            await asyncio.sleep(self.pace.retry_s)
        self.unsettled += 1

    async def _attempt(self, intent: Intent, purpose: str, node: int) -> int:
        return int((await self._ask(intent, purpose, node)).get("status", 0))

    async def _ask(self, intent: Intent, purpose: str, node: int) -> dict[str, Any]:
        """Return the answer and its `status`; nothing where there was none."""
        body = intent.body()
        if purpose == "other":
            body["quantity"] = intent.quantity + 7
        number = self.history.sends(intent, purpose, node)
        self.open_at[node] += 1
        try:
            async with self._sessions[node].post(UPDATE, json=body) as reply:
                answer = await reply.json()
                status = reply.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self.codes["no answer"] += 1
            self.history.hears(number, 0, "", {})
            return {}
        finally:
            self.open_at[node] -= 1
        code = str(answer.get("code"))
        self.codes[code] += 1
        self.history.hears(number, status, code, answer.get("data") or {})
        return {**answer, "status": status}
