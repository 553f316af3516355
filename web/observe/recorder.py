"""Has the past kept by the node whose turn it is: figures each minute, marks as they come."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable
from actors.operators.past import PastKeeper, mark_record, read_marks
from web.cluster.fleet import term_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from actors.engine import Engine

KEPT_EVERY_S: Final = 60.0
_STORE_S: Final = 5.0
_MONTH: Final = timedelta(days=31)

_log = structlog.get_logger(__name__)


class Recorder:
    """The keeper of one node, at work only while that one keeps what all look at."""

    def __init__(self, node: Engine, version: str) -> None:
        self._node, self._version = node, version
        self._marked_epoch = self._marked_term = 0
        self._past: PastKeeper | None = None

    async def step(self) -> None:
        """Mark who has become the owner, and keep the minute that is over."""
        term = term_of(self._node)
        if not term:
            self._past = None
            return
        if self._past is None or self._marked_term != term:
            self._past = PastKeeper(self._node.telemetry.samples, self._node.store.records)
        await self._mark(term)
        await self._past.keep()

    async def _mark(self, term: int) -> None:
        """Mark an owner once, and the version where it is a new one."""
        owner, records = self._node.parts[0].status(), self._node.store.records
        marks = []
        # A front door that begins to look does not know since when its first owner is one.
        is_new = self._marked_epoch or owner.node == self._node.node_id
        if owner.epoch not in (0, self._marked_epoch) and is_new:
            marks.append(mark_record("owner", owner.node))
        if self._marked_term != term:
            known = await read_marks(records, datetime.now(UTC) - _MONTH)
            deployed = [each.text for each in known if each.what == "deployed"]
            if deployed[-1:] != [self._version]:
                marks.append(mark_record("deployed", self._version))
        if marks:
            await records.put(marks)
        self._marked_epoch, self._marked_term = owner.epoch or self._marked_epoch, term

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Work until the application ends."""
        working = asyncio.create_task(self._work())
        yield
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(KEPT_EVERY_S)
            if not self._node.started:
                continue
            try:
                async with asyncio.timeout(_STORE_S):
                    await self.step()
            except (StoreUnavailable, OutcomeUnknown, StoreRejected, TimeoutError):
                pass  # that minute is missing; the store has an alarm of its own
            except Exception:  # noqa: BLE001 -- one bad step must not be the last
                _log.exception("recorder_failed")
