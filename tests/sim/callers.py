"""The callers: each intends updates, and sends each until it knows what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.domain.messages import Queued, Updated, UpdateQuantity
from actors.domain.model import (
    MAX_QUANTITY,
    Change,
    ChangeType,
    JobId,
    LogContext,
    RequestId,
    WorkOrderId,
)
from actors.errors import NotApplied, OutcomeUnknown, Refused, StoreRejected, WorkOrderError
from tests.sim.chance import chance

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from actors.domain.model import LogEntry, Number
    from tests.sim.loop import SimLoop
    from tests.sim.world import Slot, World

LAST_WORD_S = 0.25
OTHER = "other payload"
NOWHERE = WorkOrderId("f" * 24)
"""Names no order."""
SLACK_S = 0.05
_OLD_SHARE = 0.3
"""Of updates before which one of years ago is sent again."""
Answer = Updated | Queued | WorkOrderError | Exception


@dataclass(slots=True)
class Attempt:
    """One sending of an update, and what came back."""

    job_id: JobId
    sent_at: float
    fingerprint: str
    answer: Answer | None = None
    """What the node said, whether or not that arrived; None when it never said anything."""
    heard: bool = False
    """Whether the answer reached the caller."""
    answered_at: float | None = None


@dataclass(slots=True)
class Intent:
    """One intended update, with all its attempts."""

    number: int
    order_id: WorkOrderId
    type: ChangeType
    quantity: Number
    context: LogContext
    key: RequestId | None
    waits: bool = True
    attempts: list[Attempt] = field(default_factory=list)
    settled: Answer | None = None
    """The final answer that the caller heard; None: unknown."""
    done: bool = False


@dataclass(slots=True)
class Ask:
    """One request inside a node: must be answered by its deadline, give or take."""

    attempt: Attempt
    slot: Slot
    arrived_at: float
    paused_before_s: float
    deadline: float = 0.0
    ended_at: float | None = None


class Callers:
    """All callers of one simulation."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loop: SimLoop = world.loop
        self.random = chance(world.scenario.seed, "callers")
        self.intents: list[Intent] = []
        self.asks: list[Ask] = []
        self.batches: list[list[tuple[Intent, Attempt]]] = []
        self.old = [_settled(number, entry) for number, entry in enumerate(world.old)]
        """What was applied years ago, and is sent again."""
        self.intents += self.old
        self.undurable: list[str] = []
        """Jobs that were answered "success" and were durable nowhere at that moment."""
        self._jobs = 0

    async def run(self) -> None:
        """Have all callers send all their updates, until each is settled."""
        scenario = self.world.scenario
        share = [scenario.updates // scenario.callers] * scenario.callers
        share[0] += scenario.updates % scenario.callers
        for task in [self.loop.start(self._caller(count)) for count in share]:
            await task

    async def _caller(self, count: int) -> None:
        random, scenario = self.random, self.world.scenario
        while count > 0:
            await self._sleep(random.uniform(0, 1.6) * scenario.duration_s / count)
            if self.old and random.random() < _OLD_SHARE:
                await self._settle(random.choice(self.old))
            if count > 1 and random.random() < 0.15:
                batch = [self._intend() for _ in range(random.randrange(2, min(count, 6) + 1))]
                count -= len(batch)
                await self._send_batch(batch)
            else:
                count -= 1
                await self._send_one(self._intend())

    async def _send_one(self, intent: Intent) -> None:
        """Have one update settled; some are sent again, at once or later, or abused."""
        random = self.random
        twin = None
        if intent.key is not None and random.random() < 0.15:
            twin = self.loop.start(self._settle(intent))  # sent twice at once
        await self._settle(intent)
        if twin is not None:
            await twin
        if intent.key is not None and random.random() < 0.1:
            await self._sleep(random.uniform(0, 1.0))
            await self._settle(intent)
        if intent.key is not None and random.random() < 0.03:
            await self._settle(intent, other_payload=True)

    async def _send_batch(self, intents: list[Intent]) -> None:
        """Send several in one request, then each alone until it is settled."""
        attempts = [self._attempt(each) for each in intents]
        self.batches.append(list(zip(intents, attempts, strict=True)))
        await self._send(intents, attempts)
        for intent, attempt in zip(intents, attempts, strict=True):
            if not self._is_final(intent, attempt):
                await self._settle(intent)

    def _intend(self) -> Intent:
        random, scenario = self.random, self.world.scenario
        number = len(self.intents)
        kind = random.choice(("input", "input", "output", "output", "scan", "unbind", "huge"))
        context = LogContext()
        quantity: int = random.choice((1, 1, 2, 3, 5, -1, -2, -4))
        if kind in ("scan", "unbind"):
            barcode = f"barcode-{random.randrange(2)}"
            operation = "SCAN_PROCESS" if kind == "scan" else "UNBIND"
            step = "5" * 24 if kind == "scan" else None
            context = LogContext(barcode, operation, step)
            quantity = 1 if kind == "scan" else -1
        if kind == "huge" and random.random() < 0.3:
            quantity = MAX_QUANTITY
        intent = Intent(
            number,
            random.choice(self.world.order_ids) if random.random() < 0.98 else NOWHERE,
            ChangeType.OUTPUT if kind in ("output", "huge") else ChangeType.INPUT,
            quantity,
            context,
            None if random.random() < scenario.unkeyed else RequestId(f"key-{number}"),
            random.random() >= scenario.unwaited,
        )
        self.intents.append(intent)
        return intent

    async def _settle(self, intent: Intent, *, other_payload: bool = False) -> None:
        """Send until the answer is final, or nobody can know it."""
        while True:
            attempt = self._attempt(intent, other_payload=other_payload)
            await self._send([intent], [attempt])
            if self._is_final(intent, attempt):
                return
            await self._sleep(self.random.uniform(0.02, 0.3))

    def _is_final(self, intent: Intent, attempt: Attempt) -> bool:
        """Note what the caller heard; tell whether there is anything left to ask."""
        answer = attempt.answer if attempt.heard else None
        if isinstance(answer, (NotApplied, StoreRejected)):
            return False
        known = isinstance(answer, (Updated, Queued, Refused))
        if known and attempt.fingerprint != OTHER:
            intent.settled = answer
        if known or intent.key is None:
            intent.done = True
        return intent.done and (known or intent.key is None)

    def _attempt(self, intent: Intent, *, other_payload: bool = False) -> Attempt:
        self._jobs += 1
        job_id = JobId(f"{self._jobs:024x}")
        attempt = Attempt(job_id, self.loop.time(), OTHER if other_payload else "same")
        intent.attempts.append(attempt)
        if self.world.faults.chance(0.01):
            self.world.database.poison.add(job_id)
        return attempt

    async def _send(self, intents: list[Intent], attempts: list[Attempt]) -> None:
        """Send one request over the wire; return when its answer comes or can't any more."""
        world, random = self.world, self.random
        slot = (world.owner() if random.random() < 0.85 else None) or random.choice(world.slots)
        over: asyncio.Future[None] = self.loop.create_future()

        def hang_up() -> None:
            if not over.done():
                over.set_result(None)

        def arrive() -> None:
            if not slot.process.alive:
                hang_up()
                return
            slot.requests.append(hang_up)
            asks = [Ask(each, slot, self.loop.time(), slot.paused_s) for each in attempts]
            self.asks += asks
            slot.process.spawn(self._handle(slot, intents, asks, hang_up))

        self.loop.outside(random.uniform(0.0005, 0.01), arrive)
        self.loop.outside(world.scenario.request_timeout_s + 1.0, hang_up)
        await over

    async def _handle(
        self, slot: Slot, intents: list[Intent], asks: list[Ask], hang_up: Callable[[], None]
    ) -> None:
        """Be the node's HTTP handler."""
        deadline = self.loop.time() + self.world.scenario.request_timeout_s
        messages = [
            UpdateQuantity(
                intent.order_id, _change(intent, ask.attempt), deadline, wait=intent.waits
            )
            for intent, ask in zip(intents, asks, strict=True)
        ]
        for ask in asks:
            ask.deadline = deadline
        answers: list[Answer]
        try:
            if len(messages) == 1:
                answers = [await slot.node.region.update(messages[0])]
            else:
                answers = [*await slot.node.region.update_many(messages)]
        except Exception as error:  # noqa: BLE001 -- the edge of a request
            answers = [error] * len(asks)
        for intent, ask, answer in zip(intents, asks, answers, strict=True):
            self._answered(intent, ask, answer)
        if not self.world.faults.chance(self.world.scenario.reply_loss):
            self.loop.outside(self.random.uniform(0.0005, 0.01), _deliver, asks, hang_up)

    def _answered(self, intent: Intent, ask: Ask, answer: Answer) -> None:
        attempt = ask.attempt
        ask.ended_at = attempt.answered_at = self.loop.time()
        attempt.answer = answer
        node = ask.slot.process.name
        self.world.tell("answer", node, attempt.job_id[-4:], intent.key, show(answer))
        database = self.world.database
        if isinstance(answer, Updated) and not database.has(answer.change.job_id, intent.order_id):
            self.undurable.append(answer.change.job_id)
        if isinstance(answer, Queued) and answer.change.job_id not in database.inbox.jobs:
            self.undurable.append(answer.change.job_id)

    async def _sleep(self, seconds: float) -> None:
        over: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_later(seconds, over.set_result, None)
        await over


def _settled(number: int, entry: LogEntry) -> Intent:
    change = entry.change
    attempt = Attempt(change.job_id, 0.0, "same")
    return Intent(
        number,
        entry.work_order_id,
        ChangeType(change.type),
        change.quantity,
        change.context,
        change.request_id,
        attempts=[attempt],
        done=True,
    )


def _change(intent: Intent, attempt: Attempt) -> Change:
    fingerprint = attempt.fingerprint if intent.key else ""
    return Change(
        attempt.job_id, intent.type, intent.quantity, intent.context, intent.key, fingerprint
    )


def _deliver(asks: list[Ask], hang_up: Callable[[], None]) -> None:
    for ask in asks:
        ask.attempt.heard = True
    hang_up()


def show(answer: object) -> str:
    """Say an answer in a few words."""
    if isinstance(answer, Updated):
        again = " again" if answer.replayed else ""
        return f"seq {answer.seq}{again} job {answer.change.job_id[-4:]}"
    if isinstance(answer, Queued):
        return f"queued{' again' if answer.replayed else ''} job {answer.change.job_id[-4:]}"
    unknown = " (unknown)" if isinstance(answer, OutcomeUnknown) else ""
    return f"{type(answer).__name__}{unknown}"
