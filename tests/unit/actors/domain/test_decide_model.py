"""Random histories of one order, decided here and by a model written from the rules' text.

The model is plain dictionaries and fractions, and looks for a barcode by reading its whole
log backwards. It shares no code with `actors.domain.rules` and `actors.domain.decide`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.commit.ledger import Ledger
from actors.domain.decide import Verdict, decide, questions
from actors.domain.evidence import Evidence, EvidenceQuery, Outcome
from actors.domain.messages import Updated
from actors.domain.model import Change, LogEntry, LogPosition, Number, OrderState
from actors.errors import QuantityOutOfRange
from tests.examples import examples
from tests.unit.strategies import (
    AT,
    CONTEXTS,
    EARLIER,
    EPOCH,
    ORDER_ID,
    SIZES,
    STATUSES,
    Sizes,
    changes,
    new_job,
    orders,
    stored_order,
)

LIMIT: Final = 9007199254740991

Row = dict[str, Any]


class Model:
    """The contract's rules over an order, its log and the keys that were used."""

    def __init__(self, order: OrderState) -> None:
        self.order = _row(order)
        self.log: list[Row] = []
        self.by_key: dict[str, Row] = {}
        self.by_job: dict[str, Row] = {}

    def ask(self, change: Change) -> Row:
        """Return the answer to a request, and remember what has to be remembered of it."""
        if change.job_id in self.by_job:
            return {**self.by_job[change.job_id], "replayed": False}
        said = (change.type, change.quantity, change.context)
        if change.request_id in self.by_key:
            first = self.by_key[change.request_id]
            if first["said"] != said:
                return {"code": "REQUEST_ID_CONFLICT"}
            return {**first["answer"], "replayed": True}
        answer = self._answer(change)
        if change.request_id is not None:
            self.by_key[change.request_id] = {"said": said, "answer": answer}
        if change.request_id is not None or answer["code"] == "UPDATED":
            self.by_job[change.job_id] = answer
        return answer

    def _answer(self, change: Change) -> Row:
        which = change.type.value
        asked = _fraction(change.quantity)
        row: Row = {
            "type": which,
            "asked": asked,
            "barcode": change.context.related_barcode,
            "step": change.context.process_step_id,
            "operation": change.context.barcode_operation,
        }
        if _is_scan(row) and self._counted(row):
            return {"code": "DUPLICATE_OPERATION", "replayed": False}
        before = dict(self.order)
        there = before[which]
        if asked < 0 and there + asked < 0:  # rule 2
            asked = -there if there > 0 else Fraction(0)
        now = there + asked
        if not -LIMIT <= now <= LIMIT:
            return {"code": "INVALID_QUANTITY", "result": now, "replayed": False}
        self.order[which] = now
        if which == "output":
            self._rule_3(decreased=asked < 0)
        self.log.append(row)
        return {
            "code": "UPDATED",
            "replayed": False,
            "seq": sum(1 for each in self.log if "old" not in each),
            "applied": asked,
            "quantities": (there, now),
            "statuses": (before["status"], self.order["status"]),
            "progress": (before["progress"], self.order["progress"]),
        }

    def _rule_3(self, *, decreased: bool) -> None:
        order = self.order
        if order["plan"] is not None and order["plan"] + order["scrap"] > 0:
            percent = 100 * order["output"] / (order["plan"] + order["scrap"])
            order["progress"] = max(0, min(100, percent.numerator // percent.denominator))
        if decreased and order["status"] == "COMPLETED":
            order["status"] = "PAUSED"
        elif order["plan"] is not None and order["output"] >= order["plan"]:
            order.update(status="COMPLETED", progress=100, ended=AT)

    def _counted(self, scan: Row) -> bool:
        for row in reversed(self.log):
            if row["type"] != "input" or row["barcode"] != scan["barcode"]:
                continue
            if row["asked"] < 0:
                return False
            if _is_scan(row) and row["step"] == scan["step"]:
                return True
        return False


def _row(order: OrderState) -> Row:
    plan = order.plan_production_quantity
    return {
        "input": _fraction(order.input_quantity),
        "output": _fraction(order.output_quantity),
        "plan": None if plan is None else _fraction(plan),
        "scrap": _fraction(order.scrap_quantity),
        "status": order.status,
        "progress": order.progress,
        "ended": order.ended_at,
    }


def _is_scan(row: Row) -> bool:
    return bool(
        row["type"] == "input"
        and row["asked"] > 0
        and row["barcode"]
        and row["step"]
        and row["operation"] == "SCAN_PROCESS"
    )


def _fraction(value: Number) -> Fraction:
    return Fraction(repr(value))


def _answered(verdict: Verdict) -> Row:
    """Return a verdict in the model's words."""
    if isinstance(verdict, Updated):
        return {
            "code": "UPDATED",
            "replayed": verdict.replayed,
            "seq": verdict.seq,
            "applied": _fraction(verdict.applied_quantity),
            "quantities": (_fraction(verdict.before_quantity), _fraction(verdict.after_quantity)),
            "statuses": (verdict.before_status, verdict.after_status),
            "progress": (verdict.before_progress, verdict.after_progress),
        }
    row: Row = {"code": verdict.code}
    if hasattr(verdict, "replayed"):
        row["replayed"] = verdict.replayed
    if isinstance(verdict, QuantityOutOfRange):
        row["result"] = _fraction(verdict.result)
    return row


@st.composite
def _batches(draw: st.DrawFn, sizes: Sizes) -> list[Change]:
    """Draw a batch in which some requests come again, under a job of their own."""
    batch = draw(st.lists(changes(sizes), min_size=1, max_size=8))
    for index in draw(st.lists(st.integers(0, len(batch) - 1), max_size=3)):
        again = replace(batch[index], job_id=new_job())
        batch.insert(draw(st.integers(0, len(batch))), again)
    return batch


class OneOrder(RuleBasedStateMachine):
    """One order over its life: batches, retries, a crashed actor, a late log, foreign edits."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[Outcome] = []
        self.ledger = Ledger()
        self.old: list[tuple[Row, LogPosition]] = []
        self.last: list[Change] = []
        self.sent: list[Change] = []

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.sizes = data.draw(SIZES)
        self.state = data.draw(orders(self.sizes))
        self.model = Model(self.state)
        moments = st.integers(0, 3).map(lambda hours: EARLIER + timedelta(hours=hours))
        for context, quantity in data.draw(
            st.lists(st.tuples(CONTEXTS, st.sampled_from([1, 1, -1])), max_size=5)
        ):
            row = {
                "type": "input",
                "asked": Fraction(quantity),
                "barcode": context.related_barcode,
                "step": context.process_step_id,
                "operation": context.barcode_operation,
                "old": True,
            }
            self.old.append((row, LogPosition(0, data.draw(moments), new_job())))
        by_time = sorted(self.old, key=lambda each: (each[1].operate_time, each[1].entry_id))
        self.model.log = [row for row, _ in by_time]

    @rule(data=st.data())
    def a_batch_arrives(self, data: st.DataObject) -> None:
        self._decide(data.draw(_batches(self.sizes)))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def requests_are_sent_again(self, data: st.DataObject) -> None:
        again = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=5))
        self._decide([replace(each, job_id=new_job()) for each in again])

    @precondition(lambda self: self.last)
    @rule(data=st.data())
    def the_actor_crashes_after_its_commit(self, data: st.DataObject) -> None:
        """Its successor finds the same jobs in the mailbox, and tries each of them alone."""
        for change in data.draw(st.lists(st.sampled_from(self.last), min_size=1, max_size=5)):
            self._decide([change], suspects=frozenset({change.job_id}))

    @precondition(lambda self: len(self.ledger) > 0)
    @rule(data=st.data())
    def the_log_catches_up(self, data: st.DataObject) -> None:
        held = self.ledger.of(ORDER_ID)
        self.ledger.remove(held[: data.draw(st.integers(1, len(held)))])

    @rule(data=st.data())
    def the_main_service_edits_the_order(self, data: st.DataObject) -> None:
        sizes = self.sizes
        edited = self.state = replace(
            self.state,
            plan_production_quantity=data.draw(st.none() | sizes.stored),
            scrap_quantity=data.draw(sizes.stored),
            status=data.draw(st.sampled_from(STATUSES)),
        )
        self.model.order.update(_row(edited))

    @rule(data=st.data())
    def the_main_service_corrects_the_quantities(self, data: st.DataObject) -> None:
        """Below zero, too: nothing but the rules keeps it from that."""
        quantities = self.sizes.stored | self.sizes.stored.map(lambda value: -value)
        edited = self.state = replace(
            self.state,
            input_quantity=data.draw(quantities),
            output_quantity=data.draw(quantities),
        )
        self.model.order.update(_row(edited))

    @invariant()
    def the_order_is_as_the_model_has_it(self) -> None:
        if not hasattr(self, "model"):
            return
        assert _row(self.state) == self.model.order

    @invariant()
    def the_log_is_dense_and_no_job_is_in_it_twice(self) -> None:
        entries = self._entries()
        assert [each.seq for each in entries] == list(range(1, len(entries) + 1))
        jobs = Counter(each.change.job_id for each in self.outcomes)
        assert not jobs or max(jobs.values()) == 1

    def _decide(self, batch: list[Change], suspects: frozenset[str] = frozenset()) -> None:
        asked = questions(ORDER_ID, batch, suspects)
        evidence = Evidence() if asked is None else self._evidence(asked)
        order = stored_order(self.state, seq=len(self._entries()))
        decision = decide(order, batch, evidence, EPOCH, AT)
        assert [_answered(each) for each in decision.verdicts] == [
            self.model.ask(each) for each in batch
        ]
        self.state = decision.after
        self.outcomes += decision.outcomes
        self.ledger.add(decision.outcomes)
        self.sent += batch
        self.last = batch

    def _evidence(self, asked: EvidenceQuery) -> Evidence:
        """Answer from the log, telling no more than was asked for, and from the ledger."""
        everything = Evidence()
        for row, position in self.old:
            if _is_scan(row):
                everything.note_scan(row["barcode"], row["step"], position)
            elif row["asked"] < 0 and row["barcode"]:
                everything.note_unbind(row["barcode"], position)
        held = self.ledger.of(ORDER_ID)
        for outcome in self.outcomes:
            if outcome not in held:
                everything.note(outcome)
        found = Evidence(
            {key: each for key, each in everything.by_request.items() if key in asked.request_ids},
            {job: each for job, each in everything.by_job.items() if job in asked.job_ids},
            {what: at for what, at in everything.scans.items() if what[0] in asked.barcodes},
            {what: at for what, at in everything.unbinds.items() if what in asked.barcodes},
        )
        for each in self.ledger.of(ORDER_ID):
            found.note(each)
        return found

    def _entries(self) -> list[LogEntry]:
        return [each for each in self.outcomes if isinstance(each, LogEntry)]


OneOrder.TestCase.settings = settings(max_examples=examples(75), stateful_step_count=20)
TestDecisionsAgreeWithAModelOfTheContract = OneOrder.TestCase
