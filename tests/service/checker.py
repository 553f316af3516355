"""Hold the callers' history against the books: nothing lost, nothing doubled, every rule kept.

Imports nothing of the service: what it checks must not be able to agree with it by mistake.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from tests.service.recount import NOBODY, Foreign, Recount, exact

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from tests.service.books import Books
    from tests.trace import Outcome, Update

_STATUS: Final = {
    "UPDATED": 200,
    "INVALID_WORK_ORDER_ID": 400,
    "INVALID_TYPE": 400,
    "INVALID_QUANTITY": 400,
    "WORK_ORDER_NOT_FOUND": 404,
    "DUPLICATE_OPERATION": 409,
    "REQUEST_ID_CONFLICT": 422,
}
_FIRST_OUTCOMES: Final = frozenset({"UPDATED", "DUPLICATE_OPERATION"})
_DEFAULTS: Final = {
    "barcodeOperation": "OTHER",
    "operatorId": "SYSTEM",
    "isAutomatic": True,
    "source": "SYSTEM",
}
_REPLY_FIELDS: Final = (
    "beforeQuantity",
    "afterQuantity",
    "beforeStatus",
    "afterStatus",
    "beforeProgress",
    "afterProgress",
)


def status_of(code: str, *, keyed: bool) -> int:
    """Return the HTTP status that the contract has for a single call's code."""
    return 200 if code == "DUPLICATE_OPERATION" and not keyed else _STATUS[code]


def mistakes_in(
    books: Iterable[Books],
    outcomes: Sequence[Outcome],
    foreign: Mapping[str, Foreign] | None = None,
    *,
    replies_lost: bool = False,
    unknown: Sequence[Update] = (),
) -> list[str]:
    """Compare books with history; an empty list means that all is exact.

    `foreign` tells by order what others wrote. With `replies_lost` the first reply to a key may
    never have arrived, so that all that did are replays. `unknown` are updates without a key, each
    with a barcode of its own, that were never answered for certain: applied once, or not at all.
    """
    books = list(books)
    found: list[str] = []
    asked = {each.data["jobId"]: each.update.asked for each in outcomes if each.applied}
    surprises = _claimed(books, asked, unknown)
    asked |= {job_id: update.asked for job_id, update in surprises.items()}
    entries: dict[str, Mapping[str, Any]] = {}
    for each in books:
        found += Recount(each, asked, (foreign or {}).get(each.order, NOBODY)).run()
        for entry in each.log:
            if entry["_id"] in entries:
                found.append(f"order {each.order}: entry {entry['_id']} is there twice")
            entries[entry["_id"]] = entry
    for outcome in outcomes:
        found += _mistakes_of(outcome, entries)
    found += _keys(outcomes, replies_lost=replies_lost)
    found += _counts(outcomes, entries, surprises)
    return found


def _claimed(
    books: Sequence[Books], told: Container[str], unknown: Sequence[Update]
) -> dict[str, Update]:
    """Find the entries of unknown updates: none or one each; any other stays a mistake."""
    by_barcode = {(each.order, each.context["relatedBarcode"]): each for each in unknown}
    claimed: dict[str, Update] = {}
    for each in books:
        for entry in each.log:
            if entry["_id"] not in told:
                update = by_barcode.pop((each.order, entry["relatedBarcode"]), None)
                if update is not None:
                    claimed[entry["_id"]] = update
    return claimed


def _mistakes_of(outcome: Outcome, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say what is wrong with one outcome: unexpected, or its entry missing or another."""
    update, data = outcome.update, outcome.data
    where = f"{update.type} of {update.order_id} (key {outcome.key})"
    if outcome.code != update.expected:
        return [f"{where}: answered {outcome.code} instead of {update.expected}: {data}"]
    if not outcome.applied:
        return []
    entry = entries.get(data["jobId"])
    if entry is None:
        return [f"{where}: lost, job {data['jobId']} has no entry"]
    expected = {
        "workOrderId": update.order,
        "changeType": update.type,
        "changeQuantity": data["quantity"],
        **{name: data[name] for name in _REPLY_FIELDS},
        **_DEFAULTS,
        "reason": _default_reason(update.type, update.asked <= 0),
        **update.context,
    }
    if "planServer" in entry:
        expected |= {"planServer": {**entry["planServer"], "seq": data["seq"]}}
    return [
        f"{where}: its entry has {name} {entry.get(name)}, not {value}"
        for name, value in expected.items()
        if entry.get(name) != value
    ]


def _default_reason(kind: str, decrease: bool) -> str:  # noqa: FBT001 -- of two facts
    """Rule 6."""
    return ("投入" if kind == "input" else "产出") + "数量" + ("减少" if decrease else "增加")


def _keys(outcomes: Sequence[Outcome], *, replies_lost: bool) -> list[str]:
    """Check that a key has one outcome however often it was sent."""
    by_key: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for each in outcomes:
        if each.key is not None and each.code in _FIRST_OUTCOMES:
            by_key[each.update.order, each.key].append(each)
    found = []
    for (order, key), same in by_key.items():
        where = f"order {order}, key {key}"
        if len({(each.code, each.data.get("jobId")) for each in same}) != 1:
            found.append(f"{where}: had several outcomes")
        firsts = sum(not each.replayed for each in same)
        if firsts > 1 or (firsts == 0 and not replies_lost):
            found.append(f"{where}: {firsts} of {len(same)} outcomes are not replayed")
    return found


def _counts(
    outcomes: Sequence[Outcome],
    entries: Mapping[str, Mapping[str, Any]],
    surprises: Mapping[str, Update],
) -> list[str]:
    """Check that different intended updates have different entries, and none has two."""
    intended: set[object] = {*surprises}
    for number, each in enumerate(outcomes):
        if each.applied:
            intended.add(number if each.key is None else (each.update.order, each.key))
    if len(intended) != len(entries):
        return [f"{len(intended)} updates were applied, the log has {len(entries)} entries"]
    total = sum((exact(entry["changeQuantity"]) for entry in entries.values()), exact(0))
    told = {each.data["jobId"]: exact(each.data["quantity"]) for each in outcomes if each.applied}
    told |= {job_id: exact(update.asked) for job_id, update in surprises.items()}
    if total != sum(told.values(), exact(0)):
        return [f"the log sums up to {total}, the callers were told {sum(told.values())}"]
    return []
