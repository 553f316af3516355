"""Hold one order and its log against all that the database did to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.domain.model import ChangeType, LogEntry
from actors.domain.rules import is_first_step_scan, is_unbind
from tests.sim.database import Database, Document, Edited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.domain.evidence import Outcome
    from actors.domain.model import Number, WorkOrderId


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise; `kind` is of `checker.KINDS`."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def log_of(database: Database, order_id: WorkOrderId) -> list[LogEntry]:
    """Return the order's entries by seq."""
    mine = [each for each in database.logs.values() if each.work_order_id == order_id]
    return sorted(mine, key=lambda each: each.seq)


def robbed(database: Database, document: Document) -> bool:
    """Return whether outcomes were thrown away by others that the log got never, or too late.

    Too late is when the order went on without one before the log had it, and gave its seq to
    another, or to the same change on other quantities: whoever committed it slept meanwhile, and
    wrote it when it woke.
    """
    kept = database.logs | database.refusals
    committed = _committed(document)

    def is_gone(outcome: Outcome) -> bool:
        if kept.get(outcome.change.job_id) != outcome:
            return True
        return isinstance(outcome, LogEntry) and any(
            each.seq == outcome.seq and each != outcome for each in committed
        )

    return any(
        is_gone(outcome)
        for event in document.history
        if isinstance(event, Edited)
        for outcome in event.wiped
    )


def mistakes(
    order_id: WorkOrderId, document: Document, log: Sequence[LogEntry]
) -> Iterator[Violation]:
    """Return all that is wrong with the books of an order."""
    where = f"order {order_id[-2:]}"
    committed = _committed(document)
    yield from _doubled(where, committed)
    yield from _lost(where, committed, log)
    yield from _seqs(where, document, log)
    yield from _chain(where, document)
    yield from _sums(where, document, log)
    yield from _scans(where, log)


def _committed(document: Document) -> list[LogEntry]:
    """Return all entries ever committed.

    One that others threw away with the whole document, before its commit was answered, may
    have been committed once more just as it was.
    """
    entries: list[LogEntry] = []
    thrown_away: list[Outcome] = []
    for event in document.history:
        if isinstance(event, Edited):
            thrown_away += event.wiped
            continue
        entries += [
            outcome
            for outcome in event.outcomes
            if isinstance(outcome, LogEntry) and outcome not in thrown_away
        ]
    return entries


def _doubled(where: str, committed: Sequence[LogEntry]) -> Iterator[Violation]:
    jobs = (f"job {each.change.job_id[-4:]}" for each in committed)
    keys = (each.change.request_id for each in committed if each.change.request_id is not None)
    for name, times in [*_repeated(jobs), *_repeated(keys)]:
        yield Violation("doubled", f"{where}: {name} was committed {times} times")
    for seq, times in _repeated(f"seq {each.seq}" for each in committed):
        yield Violation("gap or fork", f"{where}: {seq} was committed {times} times")


def _repeated(names: Iterable[str]) -> list[tuple[str, int]]:
    return [(name, times) for name, times in Counter(names).items() if times > 1]


def _lost(
    where: str, committed: Sequence[LogEntry], log: Sequence[LogEntry]
) -> Iterator[Violation]:
    kept = {(each.change.job_id, each.seq, each.epoch) for each in log}
    for entry in committed:
        if (entry.change.job_id, entry.seq, entry.epoch) not in kept:
            job = f"job {entry.change.job_id[-4:]}, seq {entry.seq}"
            yield Violation("lost", f"{where}: {job}: not in the log")
    jobs = {each.change.job_id for each in committed}
    for entry in log:
        if entry.change.job_id not in jobs:
            yield Violation("phantom", f"{where}: job {entry.change.job_id[-4:]} is in the log")


def _seqs(where: str, document: Document, log: Sequence[LogEntry]) -> Iterator[Violation]:
    seqs = [each.seq for each in log]
    if seqs != list(range(1, len(seqs) + 1)):
        yield Violation("gap or fork", f"{where}: {seqs}")
    if document.ours is None:
        return
    if document.ours.seq != len(log):
        yield Violation("gap or fork", f"{where}: seq {document.ours.seq}, {len(log)} entries")
    if document.ours.outbox:
        yield Violation("never settled", f"{where}: its outbox was not emptied")


def _chain(where: str, document: Document) -> Iterator[Violation]:
    """Walk through all that happened: each entry goes on from where the order was."""
    quantity: dict[ChangeType, Number] = dict.fromkeys(ChangeType, 0)
    for event in document.history:
        if isinstance(event, Edited):
            quantity[ChangeType.INPUT] += event.input_by
            quantity[ChangeType.OUTPUT] += event.output_by
            continue
        for outcome in event.outcomes:
            if not isinstance(outcome, LogEntry):
                continue
            kind = ChangeType(outcome.change.type)
            if outcome.before_quantity != quantity[kind]:
                yield Violation(
                    "broken chain",
                    f"{where}: seq {outcome.seq} goes on from {outcome.before_quantity}, "
                    f"the order was at {quantity[kind]}",
                )
            quantity[kind] = outcome.after_quantity


def _sums(where: str, document: Document, log: Sequence[LogEntry]) -> Iterator[Violation]:
    edits = [event for event in document.history if isinstance(event, Edited)]
    inputs = sum(each.input_by for each in edits)
    outputs = sum(each.output_by for each in edits)
    # What others threw away with the whole document may have been committed once more.
    times = Counter(
        (outcome.change.job_id, outcome.seq)
        for event in document.history
        if not isinstance(event, Edited)
        for outcome in event.outcomes
        if isinstance(outcome, LogEntry)
    )
    for entry in log:
        added = entry.applied_quantity * times[entry.change.job_id, entry.seq]
        if entry.change.type is ChangeType.INPUT:
            inputs += added
        else:
            outputs += added
    stored = (document.fields["input_quantity"], document.fields["output_quantity"])
    if stored != (inputs, outputs):
        yield Violation("sum mismatch", f"{where}: {stored}, recounted {(inputs, outputs)}")


def _scans(where: str, log: Sequence[LogEntry]) -> Iterator[Violation]:
    """Rule 4: a barcode counts once per step until it is unbound."""
    bound: set[str] = set()
    for entry in log:
        barcode = str(entry.change.context.related_barcode)
        if is_unbind(entry.change):
            bound.discard(barcode)
        elif is_first_step_scan(entry.change):
            if barcode in bound:
                yield Violation("counted twice", f"{where}: {barcode} at seq {entry.seq}")
            bound.add(barcode)
