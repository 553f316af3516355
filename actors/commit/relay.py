"""The relay: what is committed goes from the orders' outboxes to the log, behind the answers.

It owns the ledger of what is committed but not yet durable in the log.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from actors.commit.ledger import Ledger
from actors.errors import RelayRejected
from actors.runtime.backoff import FIRST_PAUSE_S, LONGEST_PAUSE_S, rest_for
from actors.runtime.batcher import Batcher, BatcherStats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.domain.evidence import Outcome
    from actors.domain.model import WorkOrderId
    from actors.store.port import Store

_log = structlog.get_logger(__name__)

RELAY_BATCH = 500


class Relay:
    """Writes outcomes to the log, as often as it takes: nobody else would."""

    def __init__(self, store: Store, failed: Callable[[], None], stats: BatcherStats) -> None:
        self._store, self._failed = store, failed
        self.ledger = Ledger()
        self._closed = False
        self._lane: Batcher[Outcome] = Batcher(self._write, RELAY_BATCH, 2, stats=stats)

    @property
    def idle(self) -> bool:
        """Whether all that was committed is durable in the log."""
        return self._lane.idle and not len(self.ledger)

    def close(self) -> None:
        """Begin nothing new; what is not in the log yet stays in the outboxes."""
        self._lane.close()
        self._closed = True
        self.ledger.wake_all()

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Note what is committed, and write it to the log."""
        for outcome in self.ledger.add(outcomes):
            self._lane.submit(outcome, None)

    async def _write(self, outcomes: list[Outcome]) -> list[None]:
        left = list(outcomes)
        pause = FIRST_PAUSE_S
        while left:
            try:
                await self._store.relay(left)
            except RelayRejected as error:
                self.ledger.remove(each for each in left if each.change.job_id not in error.job_ids)
                left = [each for each in left if each.change.job_id in error.job_ids]
                _log.error("relay_rejected", jobs=sorted(error.job_ids), reason=error.reason)
                self._again_later(left)
                break
            except Exception as error:  # noqa: BLE001 -- nobody else would relay these entries
                self._failed()
                _log.warning("relay_unanswered", entries=len(left), error=repr(error))
                if self._closed:
                    break
                pause = await rest_for(pause)
            else:
                self.ledger.remove(left)
                break
        return [None] * len(outcomes)

    def _again_later(self, outcomes: Sequence[Outcome]) -> None:
        """Try refused entries again, slowly: somebody may mend the collection's rules."""
        self._failed()
        loop = asyncio.get_running_loop()
        for outcome in outcomes:
            loop.call_later(10 * LONGEST_PAUSE_S, self._lane.submit, outcome, None)

    def after_progress(
        self, order_id: WorkOrderId, go_on: Callable[[], None], give_up: Callable[[], None]
    ) -> None:
        """Go on when the log has taken some of the order's outcomes, or give up after a while.

        Who waits for a log that is stuck must not be stuck with it.
        """
        if self._closed:
            give_up()
            return

        def wake() -> None:
            timer.cancel()
            go_on()

        def late() -> None:
            self.ledger.give_up(order_id, wake)
            give_up()

        timer = asyncio.get_running_loop().call_later(LONGEST_PAUSE_S, late)
        self.ledger.on_progress(order_id, wake)
