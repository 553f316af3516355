"""Puts findings right through the service, one order after the other, and undoes that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actors.domain.rules import add
from scripts.operate.service import Failed
from scripts.reconcile.findings import undo_key
from scripts.reconcile.locks import Locked
from scripts.reconcile.rows import MANUAL
from scripts.reconcile.source import StillChanging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.domain.model import Number
    from scripts.operate.service import ServiceAt
    from scripts.reconcile.backup import Backup
    from scripts.reconcile.findings import Finding, Kind
    from scripts.reconcile.locks import Locks
    from scripts.reconcile.sweep import Sweep

_OPERATOR: Final = "reconcile"
_LONGEST_REMARK: Final = 200


@dataclass(slots=True)
class Repairer:
    """Repairs orders of `sweep` through `service`; `complain` is told what was not done.

    What `service` does not answer raises `Unreachable`: the same may be run again.
    """

    sweep: Sweep
    service: ServiceAt
    locks: Locks
    complain: Callable[[str], None]
    done: int = 0

    def repair(self, orders: Iterable[str], kinds: frozenset[Kind], backup: Backup) -> None:
        """Put right what of these kinds can be, each order under its lock."""
        for order_id in orders:
            try:
                with self.locks.held(order_id):
                    self._repair(order_id, kinds, backup)
            except Locked:
                self.complain(f"{order_id}: somebody else is repairing it")
            except StillChanging:
                self.complain(f"{order_id}: changes all the while")
            except Failed as error:
                self.complain(f"{order_id}: {error}")

    def _repair(self, order_id: str, kinds: frozenset[Kind], backup: Backup) -> None:
        """Look at the order anew after each repair: one may have put other things right."""
        tried: set[str] = set()
        while True:
            book = self.sweep.book(order_id)
            chosen = (
                each
                for each in self.sweep.examine(book)
                if each.repair is not None and each.kind in kinds and each.key not in tried
            )
            finding = next(chosen, None)
            if finding is None or finding.repair is None:
                return
            tried.add(finding.key)
            backup.note(finding, book.document)
            remark = f"{finding.kind}: {finding.subject}"
            repair = finding.repair
            if not self._send(order_id, repair.type, repair.quantity, finding.key, remark):
                return

    def undo(self, repairs: Iterable[tuple[str, str]]) -> None:
        """Take back repairs that the log has, given by order and key; the last one first."""
        for order_id, key in reversed(list(repairs)):
            try:
                with self.locks.held(order_id):
                    self._undo(order_id, key)
            except (Locked, StillChanging, Failed) as error:
                self.complain(f"{order_id}: {type(error).__name__} {error}")

    def _undo(self, order_id: str, key: str) -> None:
        rows = {row.key: row for row in self.sweep.book(order_id).rows if row.key}
        row = rows.get(key)
        if row is None or undo_key(key) in rows:
            return  # never sent, or undone
        if not row.change:
            self.complain(f"{order_id}: what the rules decided again can't be undone ({row.id})")
            return
        self._send(order_id, row.type, add(0, -row.change), undo_key(key), f"undo of {row.id}")

    def _send(self, order_id: str, kind: str, quantity: Number, key: str, remark: str) -> bool:
        """Have one entry made; tell whether it is."""
        body: dict[str, Any] = {
            "workOrderId": order_id,
            "type": kind,
            "quantity": quantity,
            "requestId": key,
            "logContext": {
                "barcodeOperation": MANUAL,
                "operatorId": _OPERATOR,
                "isAutomatic": False,
                "source": "API",
                "reason": "reconcile",
                "remark": remark[:_LONGEST_REMARK],
            },
        }
        answer = self.service.post("/api/workorder/update-quantity", body)
        if "seq" not in answer:
            self.complain(f"{order_id}: waits, as processing is paused ({answer['jobId']})")
            return False
        if answer["quantity"] != quantity:
            self.complain(f"{order_id}: {quantity:+} asked for, {answer['quantity']:+} applied")
        self.done += not answer["replayed"]
        return True


def orders_to_repair(findings: Iterable[Finding], kinds: frozenset[Kind]) -> list[str]:
    """Return the orders that have a repair of these kinds."""
    chosen = (each for each in findings if each.repair is not None and each.kind in kinds)
    return list(dict.fromkeys(each.order for each in chosen))
