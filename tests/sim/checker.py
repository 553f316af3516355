"""Hold what the callers were told against what the database did and holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.domain.job import JobState
from actors.domain.messages import Queued, Updated
from actors.domain.rules import is_first_step_scan
from actors.errors import (
    DuplicateOperation,
    NotApplied,
    QuantityOutOfRange,
    Refused,
    RequestIdConflict,
    StoreRejected,
    WorkOrderNotFound,
)
from tests.sim.books import Violation, log_of, mistakes, robbed
from tests.sim.callers import LAST_WORD_S, NOWHERE, OTHER, SLACK_S, Callers, Intent, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.domain.job import Job
    from tests.sim.callers import Attempt
    from tests.sim.world import World

KINDS = (
    "lost",
    "doubled",
    "phantom",
    "gap or fork",
    "sum mismatch",
    "broken chain",
    "disagreeing retries",
    "wrongly marked replay",
    "conflict not seen",
    "not applied but applied",
    "refused but applied",
    "wrong refusal",
    "counted twice",
    "inversion",
    "overtaken",
    "left hanging",
    "never settled",
)
_FINAL = ("STORE_REJECTED", "DUPLICATE_OPERATION", "INVALID_QUANTITY")
_REFUSALS = (DuplicateOperation, QuantityOutOfRange)


class Checker:
    """All checks of one history that has come to its end."""

    def __init__(self, world: World, callers: Callers) -> None:
        database = world.database
        self._orders = database.orders
        self._entries = database.logs
        self._archived = database.shelf.entries
        self._jobs = database.inbox.jobs
        self._poison = database.poison
        self._unexpected = world.scenario.unexpected
        self._callers = callers
        self.tainted = {
            order_id for order_id, order in self._orders.items() if robbed(database, order)
        }
        """Orders of which somebody threw away outcomes that nobody could write again."""
        self._crowded_out = world.scenario.limits.max_actors <= len(self.tainted)
        """Whether such orders, whose outboxes can't be emptied, may keep all others out."""
        self._log = {order_id: log_of(database, order_id) for order_id in self._orders}

    def violations(self) -> list[Violation]:
        """Return all that is wrong."""
        found = list(self._hanging())
        for order_id, document in self._orders.items():
            if order_id not in self.tainted:
                found += mistakes(order_id, document, self._log[order_id])
        for intent in self._callers.intents:
            if intent.order_id == NOWHERE:
                found += self._nowhere(intent)
            elif intent.order_id not in self.tainted:
                found += self._intent(intent)
        found += [
            Violation("doubled", f"job {job[-4:]}: in the archive, though all was brought back")
            for job, entry in self._archived.items()
            if entry.work_order_id not in self.tainted
        ]
        return [*found, *self._inversions(), *self._overtaken()]

    def _intent(self, intent: Intent) -> Iterator[Violation]:
        where = f"update {intent.number} ({intent.key or 'no key'})"
        if not intent.done:
            yield Violation("never settled", where)
        for attempt in intent.attempts:
            at = f"{where}, job {attempt.job_id[-4:]}"
            if attempt.fingerprint == OTHER:
                yield from self._conflict(at, attempt)
            elif isinstance(attempt.answer, Updated):
                yield from self._success(at, attempt, attempt.answer)
            elif isinstance(attempt.answer, Queued):
                yield from self._kept(at, intent, attempt, attempt.answer)
            else:
                yield from self._failure(at, attempt)
        if intent.key is not None:
            yield from self._agreement(where, intent)

    def _conflict(self, where: str, attempt: Attempt) -> Iterator[Violation]:
        """Check an attempt that used a key again, with another payload."""
        answer = attempt.answer
        if attempt.job_id in self._entries or isinstance(answer, (Updated, *_REFUSALS)):
            yield Violation("conflict not seen", f"{where}: {show(answer)}")

    def _success(self, where: str, attempt: Attempt, answer: Updated) -> Iterator[Violation]:
        entry = self._entries.get(answer.change.job_id)
        told = (answer.seq, answer.after_quantity, answer.before_quantity, answer.epoch)
        if entry is None:
            yield Violation("lost", f"{where}: answered {show(answer)}, not in the log")
        elif told != (entry.seq, entry.after_quantity, entry.before_quantity, entry.epoch):
            yield Violation("lost", f"{where}: answered {show(answer)}, the log has {entry}")
        if answer.replayed == (answer.change.job_id == attempt.job_id):
            yield Violation("wrongly marked replay", f"{where}: {show(answer)}")
        if answer.change.job_id in self._callers.undurable:
            yield Violation("lost", f"{where}: answered before it was durable")

    def _kept(
        self, where: str, intent: Intent, attempt: Attempt, answer: Queued
    ) -> Iterator[Violation]:
        """Check that a change that was called kept was applied, or has failed for a reason."""
        job_id = answer.change.job_id
        if job_id in self._callers.undurable:
            yield Violation("lost", f"{where}: called kept before it was durable")
        if answer.replayed == (job_id == attempt.job_id):
            yield Violation("wrongly marked replay", f"{where}: {show(answer)}")
        job = self._jobs.get(job_id)
        if job is None:
            yield Violation("lost", f"{where}: kept, and gone")
        elif job.state is JobState.WAITING:
            yield Violation("never settled", f"{where}: it still waits")
        elif job.result is not None:
            entry = self._entries.get(job.result.change.job_id)
            if entry is None or entry.seq != job.result.seq:
                yield Violation("lost", f"{where}: completed, and the log has {entry}")
        else:
            yield from self._failed(where, intent, job)

    def _failed(self, where: str, intent: Intent, job: Job) -> Iterator[Violation]:
        code = job.error.code if job.error else None
        if code == "DEAD_LETTER":  # by whom it was killed is not known, nor whether it is applied
            if not self._unexpected:
                yield Violation("lost", f"{where}: given up without a reason")
            return
        if job.id in self._entries:
            yield Violation("refused but applied", f"{where}: {job.error}")
        if code == "STORE_REJECTED" and job.id not in self._poison:
            yield Violation("wrong refusal", f"{where}: {job.error}")
        if code == "DUPLICATE_OPERATION" and not self._was_scanned(intent):
            yield Violation("wrong refusal", f"{where}: nothing was scanned before")
        if code not in _FINAL:
            yield Violation("lost", f"{where}: failed with {job.error}")

    def _failure(self, where: str, attempt: Attempt) -> Iterator[Violation]:
        answer, in_log = attempt.answer, attempt.job_id in self._entries
        if isinstance(answer, RequestIdConflict):
            yield Violation("conflict not seen", f"{where}: there is none")
        if in_log and isinstance(answer, (NotApplied, StoreRejected)):
            yield Violation("not applied but applied", f"{where}: {show(answer)}")
        if in_log and isinstance(answer, _REFUSALS):
            yield Violation("refused but applied", f"{where}: {show(answer)}")

    def _agreement(self, where: str, intent: Intent) -> Iterator[Violation]:
        """Check that all answers to a key are one."""
        answers = [each.answer for each in intent.attempts]
        successes = {
            (each.change.job_id, each.seq, each.after_quantity)
            for each in answers
            if isinstance(each, Updated)
        }
        refusals = {each.code for each in answers if isinstance(each, _REFUSALS)}
        entries = [each for each in intent.attempts if each.job_id in self._entries]
        if len(successes) + len(refusals) > 1:
            yield Violation("disagreeing retries", f"{where}: {successes} {refusals}")
        if len(entries) > 1:
            yield Violation("doubled", f"{where}: {len(entries)} entries")
        if refusals and entries:
            yield Violation("refused but applied", f"{where}: job {entries[0].job_id[-4:]}")
        if "DUPLICATE_OPERATION" in refusals and not self._was_scanned(intent):
            yield Violation("wrong refusal", f"{where}: nothing was scanned before")

    def _was_scanned(self, intent: Intent) -> bool:
        barcode = intent.context.related_barcode
        return any(
            is_first_step_scan(each.change) and each.change.context.related_barcode == barcode
            for each in self._log[intent.order_id]
        )

    def _inversions(self) -> Iterator[Violation]:
        """Check that an update sent after another was answered has the higher seq."""
        for order_id in self._orders:
            entries = self._answered(order_id) if order_id not in self.tainted else []
            for sent_at, _, seq in entries:
                for _, answered_at, earlier in entries:
                    if answered_at < sent_at and earlier > seq:
                        what = f"order {order_id[-2:]}: seq {seq} after {earlier}"
                        yield Violation("inversion", what)

    def _answered(self, order_id: str) -> list[tuple[float, float, int]]:
        """Return of each update when it was first sent, when first answered, and its seq."""
        found = []
        for intent in self._callers.intents:
            answers = [
                (each.answered_at, seq)
                for each in intent.attempts
                if each.answered_at is not None and (seq := self._seq(each))
            ]
            if answers and intent.order_id == order_id and not self._has_an_old_place(intent):
                found.append((intent.attempts[0].sent_at, *min(answers)))
        return found

    def _has_an_old_place(self, intent: Intent) -> bool:
        """Return whether it was applied as a job that nobody was told is kept.

        An owner that did not know it was deposed may have stored it late, at a place that was
        its own; the next take-over puts it before what was accepted in between.
        """
        return any(
            each.job_id in self._jobs
            and each.job_id in self._entries
            and not isinstance(each.answer, Queued)
            for each in intent.attempts
        )

    def _seq(self, attempt: Attempt) -> int:
        """Return the log place of what was answered applied, or kept; 0 where it has none."""
        answer = attempt.answer
        if isinstance(answer, Updated):
            return answer.seq
        job = self._jobs.get(answer.change.job_id) if isinstance(answer, Queued) else None
        return job.result.seq if job is not None and job.result is not None else 0

    def _overtaken(self) -> Iterator[Violation]:
        """Check that in a batch nothing is applied after what was not, of the same order."""
        for batch in self._callers.batches:
            refused: set[str] = set()
            for intent, attempt in batch:
                if isinstance(attempt.answer, NotApplied):
                    refused.add(intent.order_id)
                elif intent.order_id in refused and attempt.job_id in self._entries:
                    yield Violation("overtaken", f"update {intent.number} in its batch")

    def _nowhere(self, intent: Intent) -> Iterator[Violation]:
        """Check an update of an order that does not exist."""
        if intent.done and intent.settled is not None:
            settled = intent.settled
            if isinstance(settled, Queued):
                job = self._jobs[settled.change.job_id]
                if job.error is None or job.error.code != WorkOrderNotFound.code:
                    yield Violation("phantom", f"update {intent.number}: {job}")
            elif not isinstance(settled, WorkOrderNotFound):
                yield Violation("phantom", f"update {intent.number}: {show(intent.settled)}")
        elif not intent.done and not self._crowded_out:
            yield Violation("never settled", f"update {intent.number}")

    def _hanging(self) -> Iterator[Violation]:
        """Check that every question was answered by its deadline, while its process ran."""
        for ask in self._callers.asks:
            where = f"job {ask.attempt.job_id[-4:]} at {ask.slot.process.name}"
            if ask.ended_at is None:
                if ask.slot.process.alive and not self._crowded_out:
                    yield Violation("left hanging", f"{where}: never answered")
                continue
            paused_s = ask.slot.paused_s - ask.paused_before_s
            late_s = ask.ended_at - ask.deadline - LAST_WORD_S - paused_s
            if late_s > SLACK_S:
                yield Violation("left hanging", f"{where}: answered {late_s:.3f} s too late")


def settled_as(intent: Intent) -> str:
    """Say in a word what the caller knows in the end."""
    if isinstance(intent.settled, (Updated, Queued)):
        return "acknowledged"
    return "refused" if isinstance(intent.settled, Refused) else "unknown"
