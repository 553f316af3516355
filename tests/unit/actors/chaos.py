"""Callers, owners and the main service at work on a store that fails at random; then the books.

Everything random comes from one seed, and time is virtual: a seed is one history.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from actors.domain.decide import decide
from actors.domain.messages import Queued, Updated
from actors.domain.model import SCAN_PROCESS, WorkOrderId
from actors.errors import NotApplied, Refused, WorkOrderError
from actors.orders.order import WorkOrderActor
from tests.fakes import Fault, MemoryStore
from tests.unit.actors.owner import Owner, order_number, update

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.domain.messages import UpdateQuantity
    from actors.domain.model import Number
    from actors.runtime.mailbox import Gate
    from tests.fakes import Check, Method

ORDERS: Final = tuple(order_number(number) for number in range(1, 4))
STEP: Final = "6560a0000000000000000003"
ADDED: Final = 5
"""Pieces that the main service adds at a time."""


class Crash(Exception):
    """An actor's code fails, before or after its commit."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One update that a caller wants to have applied once, however often it must ask."""

    order_id: WorkOrderId
    quantity: Number
    key: str | None
    barcode: str | None = None

    def message(self, within: float) -> UpdateQuantity:
        context: dict[str, Any] = {}
        if self.barcode is not None:
            context = {"related_barcode": self.barcode}
            if self.quantity > 0:
                context |= {"process_step_id": STEP, "barcode_operation": SCAN_PROCESS}
        return update(self.quantity, self.order_id, key=self.key, within=within, **context)


@dataclass
class Books:
    """What callers were told, by job and by key, and what the main service did."""

    applied: dict[str, Updated] = field(default_factory=dict)
    not_applied: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    answers: dict[str, list[Updated | Refused]] = field(default_factory=dict)
    """By key: all that was said for certain."""
    added: defaultdict[WorkOrderId, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, message: UpdateQuantity, answer: Updated | Queued | WorkOrderError) -> None:
        job_id = message.change.job_id
        match answer:
            case Updated():
                self._settle(message, answer)
                self.applied[answer.change.job_id] = answer
                if answer.change.job_id != job_id:  # another try of it was
                    self.not_applied.add(job_id)
            case NotApplied():
                self.not_applied.add(job_id)
            case Refused():
                self._settle(message, answer)
                self.not_applied.add(job_id)
            case _:
                self.unknown.add(job_id)

    def _settle(self, message: UpdateQuantity, answer: Updated | Refused) -> None:
        if message.change.request_id is not None:
            self.answers.setdefault(message.change.request_id, []).append(answer)


@dataclass
class Chaos:
    """One history."""

    seed: int
    without: frozenset[Check] = frozenset()
    books: Books = field(default_factory=Books)
    over: bool = False

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 not a secret
        self.store = MemoryStore(without=self.without, choose=self._fault, travel=self._travel)
        self.owners: list[Owner] = []
        self.gates: list[Gate] = []
        self.trouble = self.dice.choice((0.0, 0.05, 0.15, 0.3))
        self.log_down_s = self.dice.choice((0.0, 0.0, 10.0))
        self.slowest = self.dice.choice((0.002, 0.02, 0.2))
        self.crashes = self.dice.choice((0.0, 0.0, 0.03, 0.1))
        self.began = 0.0

    async def run(self) -> None:
        random.seed(self.seed)
        self.began = time.monotonic()
        for order_id in ORDERS:
            self.store.put(order_id)
        with self._crashing():
            await self._take_over()
            others = asyncio.gather(self._edit(), self._take_over_again())
            callers = asyncio.gather(*(self._call(number) for number in range(4)))
            await asyncio.wait_for(callers, 3_600)
            self.over = True
            await others
        await self._calm()

    # -- who is at work ----------------------------------------------------------------------

    async def _call(self, number: int) -> None:
        for count in range(self.dice.randrange(3, 7)):
            await asyncio.sleep(self.dice.expovariate(20))
            intents = self._intents(f"{number}.{count}")
            await asyncio.gather(*(self._insist(intent) for intent in intents))

    def _intents(self, name: str) -> list[Intent]:
        order_id = self.dice.choice(ORDERS)
        key = name if self.dice.random() < 0.7 else None
        kind = self.dice.randrange(4)
        if kind == 0:
            return [Intent(order_id, 1, key, f"SN-{self.dice.randrange(2)}")]
        if kind == 1:
            return [Intent(order_id, -1, key, f"SN-{self.dice.randrange(2)}")]
        # One that cancels another leaves the quantities as they were.
        some = [Intent(order_id, self.dice.choice((1, 2, -1)), key)]
        if self.dice.random() < 0.5:
            some.append(Intent(order_id, -some[0].quantity, None))
        return some

    async def _insist(self, intent: Intent) -> None:
        """Ask until there is an answer, as a careful client does; without a key, never twice."""
        while True:
            twice = intent.key is not None and self.dice.random() < 0.2
            answers = await asyncio.gather(*(self._ask(intent) for _ in range(1 + twice)))
            if any(isinstance(answer, (Updated, Refused)) for answer in answers):
                return
            if intent.key is None and not isinstance(answers[0], NotApplied):
                return
            await asyncio.sleep(self.dice.expovariate(5))

    async def _ask(self, intent: Intent) -> Updated | Queued | WorkOrderError:
        message = intent.message(self.dice.choice((0.01, 0.1, 1.0)))
        self.books.asked.add(message.change.job_id)
        answer = await self.dice.choice(self.owners[-2:]).ask(message)
        self.books.note(message, answer)
        return answer

    async def _edit(self) -> None:
        """Do as the main service does: change plan, scrap and status, add to the quantity."""
        while not self.over:
            await asyncio.sleep(self.dice.expovariate(10))
            order_id = self.dice.choice(ORDERS)
            state = self.store.orders[order_id].state
            match self.dice.randrange(3):
                case 0:
                    self.store.edit(order_id, status=self.dice.choice(("PAUSED", "IN_PROGRESS")))
                case 1:
                    self.store.edit(order_id, scrap_quantity=self.dice.randrange(5))
                case _:
                    self.store.edit(order_id, input_quantity=state.input_quantity + ADDED)
                    self.books.added[order_id] += ADDED

    async def _take_over_again(self) -> None:
        """Make new owners; the old ones know nothing of it and go on."""
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(self.dice.expovariate(1))
            if self.over:
                return
            await self._take_over()
            if self.dice.random() < 0.3:
                await self.owners[0].term.abandon("stepped down")

    async def _take_over(self) -> None:
        while True:
            try:
                owner = await Owner.begin(self.store, max_actors=self.dice.choice((1, 2, 10)))
            except WorkOrderError:
                await asyncio.sleep(0.1)
                continue
            self.owners.append(owner)
            self.gates.append(owner.gate)
            return

    # -- what befalls them -------------------------------------------------------------------

    def _fault(self, method: Method) -> Fault | None:
        if self.over:
            return None
        if method == "relay" and time.monotonic() < self.began + self.log_down_s:
            return Fault.REFUSE
        if self.dice.random() >= self.trouble:
            return None
        writes = method in ("commit", "invalidate", "relay", "trim", "claim_epoch")
        fault = self.dice.choice(list(Fault)) if writes else Fault.REFUSE
        if fault is Fault.DELAY:
            loop = asyncio.get_running_loop()
            loop.call_later(self.dice.expovariate(1), self._deliver_one)
        return fault

    def _deliver_one(self) -> None:
        if self.store.late:
            self.store.late.pop(self.dice.randrange(len(self.store.late)))()

    async def _travel(self, _method: Method) -> None:
        await asyncio.sleep(self.dice.random() * self.slowest)

    @contextmanager
    def _crashing(self) -> Iterator[None]:
        """Make the actors' own code fail: while deciding, or once the commit is applied."""
        answer = WorkOrderActor._answer  # noqa: SLF001 the place

        def deciding(*args: Any) -> Any:  # noqa: ANN401 as it is
            self._perhaps_crash()
            return decide(*args)

        def answering(*args: Any) -> None:  # noqa: ANN401 as it is
            self._perhaps_crash()
            answer(*args)

        with (
            mock.patch("actors.orders.order.decide", deciding),
            mock.patch.object(WorkOrderActor, "_answer", answering),
        ):
            yield

    def _perhaps_crash(self) -> None:
        if not self.over and self.dice.random() < self.crashes:
            if self.dice.random() < 0.2:
                raise asyncio.CancelledError
            raise Crash

    # -- the end -----------------------------------------------------------------------------

    async def _calm(self) -> None:
        """Let a last owner finish; then let all that is still on its way arrive."""
        last = await Owner.begin(self.store)
        for owner in self.owners:
            await owner.end()
        for order_id in ORDERS:  # what the log lacks is relayed by whoever loads the order
            message = update(0, order_id)
            self.books.asked.add(message.change.job_id)
            self.books.note(message, await last.ask(message))
        self.store.deliver()
        finished = await last.term.finish(asyncio.get_running_loop().time() + 60)
        assert finished, "the last owner could not finish"
        await last.end()
        await asyncio.sleep(60)
        self.gates.append(last.gate)
