"""A database that is spoilt on purpose: of each fault one order, and what must be found of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from scripts.reconcile.findings import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.backdoor import RealBackdoor

Document = dict[str, Any]
START: Final = datetime(2026, 11, 2, 8, tzinfo=UTC)
STEP: Final = "6560a0000000000000000003"
PLAN: Final = 100
_QUANTITIES: Final = {"input": "inputQuantity", "output": "outputQuantity"}


def order_of(number: int, **fields: object) -> Document:
    """Return an order that agrees with an empty log; ids are hex text."""
    return {
        "_id": f"{0x6560B0000000000000000000 + number:024x}",
        "workOrderNo": f"WO-{number}",
        "materialId": "6560a0000000000000000001",
        "productionLineId": "6560a0000000000000000002",
        "status": "IN_PROGRESS",
        "planQuantity": PLAN,
        "planProductionQuantity": PLAN,
        "inputQuantity": 0,
        "outputQuantity": 0,
        "scrapQuantity": 0,
        "progress": 0,
        "actualStartTime": START,
        **fields,
    }


@dataclass(slots=True)
class Account:
    """An order and its log, kept right until a test makes it wrong."""

    number: int
    ours: bool = False
    """Whether this service wrote the log, or the one before it."""
    order: Document = field(default_factory=dict)
    log: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.order = order_of(self.number)

    @property
    def id(self) -> str:
        """The order's id."""
        found: str = self.order["_id"]
        return found

    def count(self, kind: str, change: float, barcode: str | None = None, **fields: object) -> str:
        """Count as the rules say; return the entry's id."""
        name = _QUANTITIES[kind]
        before = self.order[name]
        self.order[name] = before + change
        if kind == "output":
            self.order["progress"] = min(100, self.order[name] * 100 // PLAN)
        return self.enter(kind, change, before, barcode, **fields)

    def enter(
        self,
        kind: str,
        change: float,
        before: float,
        barcode: str | None = None,
        **fields: object,
    ) -> str:
        """Add an entry, and leave the quantities."""
        place = len(self.log) + 1
        entry = {
            "_id": f"{(self.number << 32) + 0x6560C0000000000000000000 + place:024x}",
            "workOrderId": self.id,
            "workOrderNo": self.order["workOrderNo"],
            "materialId": self.order["materialId"],
            "productionLineId": "line 2",
            "changeType": kind,
            "changeQuantity": change,
            "beforeQuantity": before,
            "afterQuantity": before + change,
            "relatedBarcode": barcode,
            "barcodeOperation": "SCAN_PROCESS" if barcode else "OTHER",
            "processStepId": STEP if barcode and change > 0 else None,
            "operateTime": START + timedelta(seconds=place),
            **fields,
        }
        if self.ours:
            entry["planServer"] = {"seq": place, "epoch": 1, "requestedQuantity": change}
            self.order["planServer"] = {"epoch": 1, "seq": place, "turn": place}
        self.log.append(entry)
        return str(entry["_id"])

    def put(self, backdoor: RealBackdoor) -> None:
        """Put both into a database."""
        backdoor.put_order(self.order)
        if self.log:
            backdoor.put_logs(self.log)


Found = tuple[Kind, str, str]
"""Kind, order and subject of a finding."""


def spoilt(first: int = 1, *, types: bool = True) -> tuple[list[Account], set[Found]]:
    """Return accounts, one for each fault, and what must be found.

    Without `types` those are left out that keep the service from counting.
    """
    accounts: list[Account] = []
    expected: set[Found] = set()
    faults: list[Callable[[Account], Iterator[tuple[Kind, str]]]] = list(_FAULTS)
    if types:
        faults += _UNREADABLE
    for number, spoil in enumerate(faults, first):
        for ours in (False, True):
            account = Account(2 * number + ours, ours)
            for piece in range(1, 4):
                account.count("input", 1, f"SN-{piece}")
            account.count("output", 1, "SN-1")
            expected |= {(kind, account.id, subject) for kind, subject in spoil(account)}
            accounts.append(account)
    return accounts, expected


def _nothing(_: Account) -> Iterator[tuple[Kind, str]]:
    return iter(())


def _lost(account: Account) -> Iterator[tuple[Kind, str]]:
    """Two read the same quantity, and one wrote over what the other had counted."""
    lost = account.count("input", 1, "SN-4")
    account.order["inputQuantity"] -= 1
    account.count("input", 1, "SN-5")
    yield Kind.LOST_CHANGE, f"input {lost}"


def _lost_at_the_end(account: Account) -> Iterator[tuple[Kind, str]]:
    lost = account.count("output", 1, "SN-2")
    account.order |= {"outputQuantity": 1, "progress": 1}
    yield Kind.LOST_CHANGE, f"output {lost}"


def _doubled_without_entry(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order["inputQuantity"] += 1
    yield Kind.QUANTITY, "input"


def _counted_by_three_devices(account: Account) -> Iterator[tuple[Kind, str]]:
    for _ in range(3):
        account.count("output", 1, "SN-2")
    yield Kind.BARCODE_NET, "output SN-2"


def _unbound_twice(account: Account) -> Iterator[tuple[Kind, str]]:
    for _ in range(2):
        account.count("output", -1, "SN-1", barcodeOperation="UNBIND_PROCESS")
        if account.order["outputQuantity"] == 0:
            account.count("output", 5)
    yield Kind.BARCODE_NET, "output SN-1"


def _scanned_again(account: Account) -> Iterator[tuple[Kind, str]]:
    again = account.count("input", 1, "SN-1")
    yield Kind.REPEATED_SCAN, f"input {again}"


def _scanned_after_an_unbind(account: Account) -> Iterator[tuple[Kind, str]]:
    account.count("input", -1, "SN-1", barcodeOperation="UNBIND_PROCESS")
    account.count("input", 1, "SN-1")
    account.count("input", 20, "BOX-1", barcodeOperation="SCAN_BATCH_DOC")
    return iter(())


def _entry_missing(account: Account) -> Iterator[tuple[Kind, str]]:
    account.count("input", 1, "SN-4")
    after = account.count("input", 1, "SN-5")
    del account.log[-2]
    yield Kind.MISSING_ROW, "seq 5" if account.ours else f"input {after}"


def _last_entry_missing(account: Account) -> Iterator[tuple[Kind, str]]:
    account.count("input", 1, "SN-4")
    del account.log[-1]
    if account.ours:
        yield Kind.MISSING_ROW, "seq 5"
    else:
        yield Kind.QUANTITY, "input"


def _sum_wrong(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order["inputQuantity"] += 1
    wrong = account.enter("input", 1, 3, "SN-4", afterQuantity=5)
    account.order["inputQuantity"] = 5
    yield Kind.ROW_SUM, f"input {wrong}"


def _negative(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order |= {"outputQuantity": -2, "scrapQuantity": -1, "progress": 0}
    yield Kind.NEGATIVE, "output"
    yield Kind.NEGATIVE, "scrapQuantity"


def _open_though_done(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order["planProductionQuantity"] = 1
    account.order["planQuantity"] = 1
    account.order["scrapQuantity"] = 2
    account.order["progress"] = 33
    yield Kind.STATUS, "status"


def _done_though_open(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order |= {"status": "COMPLETED", "progress": 100, "actualEndTime": None}
    yield Kind.STATUS, "status"
    yield Kind.END_TIME, "actualEndTime"


def _progress_wrong(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order["progress"] = 55
    yield Kind.PROGRESS, "progress"


def _ended_before_it_began(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order["actualEndTime"] = START - timedelta(hours=1)
    yield Kind.END_TIME, "actualEndTime"


def _scrap_list(account: Account) -> Iterator[tuple[Kind, str]]:
    scrap = {"status": "SCRAP", "scrapTime": START}
    account.order["scrapProductBarcodeList"] = [{"barcode": "SN-3", **scrap}]
    yield Kind.SCRAP, "scrapQuantity"


def _over_input(account: Account) -> Iterator[tuple[Kind, str]]:
    account.count("input", PLAN)
    yield Kind.OVER_INPUT, "inputQuantity"


def _null_and_absurd(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order |= {"planQuantity": 10**9, "scrapQuantity": None}
    yield Kind.ABSURD, "planQuantity"
    yield Kind.NULL, "scrapQuantity"


def _wrong_types(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order["planQuantity"] = "100"
    wrong = account.count("input", 1, "SN-4", changeQuantity="1")
    yield Kind.WRONG_TYPE, "planQuantity"
    yield Kind.WRONG_TYPE, f"entry {wrong}"


def _no_number(account: Account) -> Iterator[tuple[Kind, str]]:
    account.order["inputQuantity"] = "three"
    yield Kind.WRONG_TYPE, "inputQuantity"


_FAULTS: Final = (
    _nothing,
    _lost,
    _lost_at_the_end,
    _doubled_without_entry,
    _counted_by_three_devices,
    _unbound_twice,
    _scanned_again,
    _scanned_after_an_unbind,
    _entry_missing,
    _last_entry_missing,
    _sum_wrong,
    _negative,
    _open_though_done,
    _done_though_open,
    _progress_wrong,
    _ended_before_it_began,
    _scrap_list,
    _over_input,
    _null_and_absurd,
    _wrong_types,
)
_UNREADABLE: Final = (_no_number,)
