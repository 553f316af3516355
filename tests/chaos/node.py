"""A node as in production, with the points at which it can be hit: `python -m tests.chaos.node`.

Only its store is wrapped; `CHAOS_CONTROL` also takes one safeguard out.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import web.__main__ as service
from actors.domain.commit import Stale
from actors.store.mongo.store import MongoStore
from tests.chaos.controls import CONTROL_VARIABLE, take_out
from tests.chaos.points import FOLDER_VARIABLE, Point, Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SecretStr
    from pymongo import UpdateOne

    from actors.domain.commit import ChangeSet, CommitResult
    from actors.domain.evidence import Outcome
    from actors.domain.model import Epoch
    from actors.errors import StoreRejected
    from config.settings.settings import Settings


_LOOK_S = 0.05


class HitStore(MongoStore):
    """Passes by the points."""

    points: Points

    async def claim_epoch(self, node: str, *, above: int = 0, url: str = "") -> Epoch:
        epoch = await super().claim_epoch(node, above=above, url=url)
        await self.points.pass_by(Point.TAKING_OVER)
        return epoch

    async def commit(self, epoch: Epoch, changes: Sequence[ChangeSet]) -> list[CommitResult]:
        results = await super().commit(epoch, changes)
        rejected = [
            each
            for each in results
            if isinstance(each, Stale) and each.current is not None and each.current.epoch > epoch
        ]
        if rejected:
            self.points.note_rejections(len(rejected))
        return results

    async def relay(self, outcomes: Sequence[Outcome]) -> None:
        await self.points.pass_by(Point.BEFORE_LOG)
        await super().relay(outcomes)

    async def _write(self, operations: list[UpdateOne], rejected: dict[int, StoreRejected]) -> int:
        await self.points.pass_by(Point.BEFORE_CAS)
        matched = await super()._write(operations, rejected)
        await self.points.pass_by(Point.AFTER_CAS)
        return matched


def main() -> int:
    """Run the service with the wrapped store; give its exit code."""
    HitStore.points = Points(Path(os.environ[FOLDER_VARIABLE]))

    def store(uri: SecretStr, settings: Settings) -> MongoStore:
        return HitStore(uri.get_secret_value(), settings.mongodb_database or "")

    _let_the_clock_jump(HitStore.points)
    assert hasattr(service, "_mongo"), "else the points are in nobody's way"
    setattr(service, "_mongo", store)  # noqa: B010 -- mypy would have it declared there
    control = os.environ.get(CONTROL_VARIABLE)
    if control:
        take_out(control, HitStore)
    return service.main()


def _let_the_clock_jump(points: Points) -> None:
    """Have `time.time` and `time.time_ns` follow the driver; the monotonic clock does not."""
    now, now_ns, ahead_s = time.time, time.time_ns, 0.0

    def watch() -> None:
        nonlocal ahead_s
        while True:
            ahead_s = points.clock_ahead_s()
            time.sleep(_LOOK_S)

    threading.Thread(target=watch, daemon=True).start()
    time.time = lambda: now() + ahead_s
    time.time_ns = lambda: now_ns() + int(ahead_s * 1e9)


if __name__ == "__main__":
    sys.exit(main())
