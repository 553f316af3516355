"""Operators beside the callers: they pause, take jobs back, retry and clean, all the while.

What they were answered goes into the history: a job that was taken back (200 to its DELETE) is
never applied, and what was first sent while its order was paused waits until it is resumed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from tests.chaos.crew import Crew
from tests.chaos.history import Intent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.callers import Callers
    from tests.chaos.history import HistoryWriter

_API: Final = "/api/workorder"
_DEADLINE_S: Final = 120
_AGAIN_S: Final = 0.05
_OK: Final = 200


@dataclass(slots=True)
class Operators(Crew):
    """One who pauses single orders, one who pauses all, and one who tidies up."""

    orders: Sequence[str]
    """Their share of the callers' orders, which are paused one by one."""
    callers: Callers
    history: HistoryWriter
    seed: int
    actions: int = 0
    unsettled: int = 0

    def start(self) -> None:
        """Set them to work."""
        self._open()
        for work in (self._pause_orders, self._pause_all, self._tidy):
            rng = Random(f"{self.seed} {work.__name__}")  # noqa: S311 -- a load, not a secret
            self._begin(work(rng))

    async def _pause_orders(self, rng: Random) -> None:
        number = 0
        while not self._stopping:
            order = rng.choice(self.orders)
            number += 1
            if await self._until_ok("pause", order, f"{_API}/{order}/pause"):
                await self._take_back(rng, order, f"desk-{number}")
                await asyncio.sleep(rng.uniform(0, 0.5))
            await self._until_ok("resume", order, f"{_API}/{order}/resume")
            await asyncio.sleep(rng.uniform(0.2, 1.0))

    async def _take_back(self, rng: Random, order: str, key: str) -> None:
        """Have some changes wait at the paused order, and take about half of them back."""
        for number in range(3):
            intent = Intent(f"{key}-{number}", order, "input", 1, {}, wait=False)
            self.history.intends(intent)
            job_id = await self.callers.queue(intent, rng.randrange(len(self.urls)))
            if job_id is not None and rng.random() < 0.5:
                await self._call(rng, "delete", intent.key, "DELETE", f"queue/jobs/{job_id}")

    async def _pause_all(self, rng: Random) -> None:
        while not self._stopping:
            await asyncio.sleep(rng.uniform(2, 6))
            if await self._until_ok("pause", "", f"{_API}/queue/pause"):
                await asyncio.sleep(rng.uniform(0, 0.3))
            await self._until_ok("resume", "", f"{_API}/queue/resume")

    async def _tidy(self, rng: Random) -> None:
        while not self._stopping:
            await self._call(rng, "retry", "", "POST", "queue/retry-failed")
            await self._call(rng, "clean", "", "POST", "queue/clean", {"grace": 0})
            await asyncio.sleep(rng.uniform(0.2, 1.0))

    async def _until_ok(self, what: str, target: str, path: str) -> bool:
        """Ask one node after the other until it is done; False when it never was."""
        deadline, node = time.monotonic() + _DEADLINE_S, 0
        while time.monotonic() < deadline:
            if await self._ask(what, target, "POST", path, node, {}) == _OK:
                return True
            node += 1
            await asyncio.sleep(_AGAIN_S)
        self.unsettled += 1
        return False

    async def _call(
        self,
        rng: Random,
        what: str,
        target: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
    ) -> None:
        node = rng.randrange(len(self.urls))
        await self._ask(what, target, method, f"{_API}/{path}", node, body)

    async def _ask(
        self,
        what: str,
        target: str,
        method: str,
        path: str,
        node: int,
        body: dict[str, Any] | None,
    ) -> int:
        sent_at = time.monotonic()
        session = self._sessions[node % len(self._sessions)]
        try:
            async with session.request(method, path, json=body) as reply:
                await reply.read()
                status = reply.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        self.actions += 1
        self.history.operates(what, target, sent_at, status)
        return status
