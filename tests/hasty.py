"""A negative control: an order actor without the rule that a reply follows its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.domain.decide import decide, questions
from actors.domain.evidence import Evidence
from actors.orders import order

if TYPE_CHECKING:
    from actors.runtime.delivery import Delivery


class Hasty(order.WorkOrderActor):
    """Answers what it has decided before that is committed."""

    async def _try_commit(self, pending: list[Delivery]) -> bool:
        stored = self._stored or await self._load()
        if stored is not None:
            changes = [each.message.change for each in pending]
            asked = questions(self.order_id, changes, frozenset())
            evidence = Evidence() if asked is None else await self._ask_committer(asked)
            decision = decide(stored, changes, evidence, self._context.epoch, order._now())  # noqa: SLF001
            self._answer(pending, decision.verdicts)
        return await super()._try_commit(pending)
