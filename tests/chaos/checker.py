"""Hold the callers' history against orders and log, read past the service."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.service.books import Books
from tests.service.recount import Recount

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tests.chaos.history import Attempt, Operation, Story
    from tests.contract.backdoor import MongoBackdoor

Document = dict[str, Any]

KINDS: Final = (
    "lost",
    "doubled",
    "phantom",
    "gaps or forks",
    "sum mismatches",
    "inversions",
    "disagreeing retries",
    "conflicts not seen",
    "told not applied, but was",
    "applied after its DELETE",
    "pauses that did not hold",
    "QUEUED that vanished",
    "guarded counts wrong",
    "operations half done",
    "statistics off",
    "reconcile findings",
)
_APPLIED: Final = 200
_OK: Final = 200
_LOST: Final = (0, 504)
_NOT_APPLIED: Final = (429, 503)
_CONFLICT: Final = 422
_QUEUED: Final = "QUEUED"


@dataclass(slots=True)
class Verdict:
    """What became of all changes, and what is wrong, by kind."""

    acknowledged: int = 0
    """With UPDATED or with QUEUED."""
    refused: int = 0
    unknown: int = 0
    queued_anew: int = 0
    """Answers QUEUED that named another job than the one that the log has for the key, which an
    earlier call left on its way to the store; the key counts once. See `docs/guarantees.md`."""
    old_places: int = 0
    """Changes in doubt that came before what was queued earlier, as a job that an owner that was
    deposed just then had stored. See "Waiting work" in `docs/api.md`."""
    found: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        """All that is wrong."""
        return self.found.total()

    def complain(self, kind: str, what: str) -> None:
        """Count one violation."""
        assert kind in KINDS
        self.found[kind] += 1
        self.examples.append(f"{kind}: {what}")


def read_books(backdoor: MongoBackdoor, orders: Iterable[Mapping[str, Any]]) -> list[Books]:
    """Read orders with what log and archive have of them, what is only in an outbox merged in.

    No batch may be on its way to the archive: what is in both of them then is there twice.
    """
    return [_book(backdoor, before) for before in orders]


def _book(backdoor: MongoBackdoor, before: Mapping[str, Any]) -> Books:
    after = dict(backdoor.order(before["_id"]))
    ours = dict(after.get("planServer") or {})
    entries = backdoor.logs(before["_id"]) + backdoor.archived(before["_id"])
    known = {str(each["_id"]) for each in entries}
    for each in ours.pop("outbox", ()):
        # A refusal has no time.
        if each.get("operateTime") is not None and str(each["_id"]) not in known:
            entries.append(each)
    after["planServer"] = ours
    log = sorted(entries, key=lambda each: each["planServer"]["seq"])
    return Books(before, after, [{**each, "_id": str(each["_id"])} for each in log], raw=True)


def check(
    stories: Mapping[str, Story],
    books: Sequence[Books],
    operations: Sequence[Operation] = (),
    refused: Collection[str] = (),
) -> Verdict:
    """Compare; every violation is one of `KINDS`.

    `refused` are the keys whose refusal is stored: one that was queued may end so.
    """
    verdict = Verdict()
    # Taken back for certain, or nobody knows: then the job is applied, or never will be.
    deleted = {each.target for each in operations if each.what == "delete" and each.status == _OK}
    maybe = {each.target for each in operations if each.what == "delete" and each.status in _LOST}
    by_key: dict[str, list[Document]] = defaultdict(list)
    for book in books:
        for entry in book.log:
            by_key[str(entry["planServer"].get("requestId"))].append(entry)
    for key in by_key.keys() - stories.keys():
        verdict.complain("phantom", f"key {key} was never sent: {by_key[key][0]}")
    for key, story in stories.items():
        queued = all(each.code == _QUEUED for each in story.attempts if each.status == _OK)
        gone = key in deleted | maybe or (queued and key in refused)
        _check_story(verdict, story, by_key.get(key, []), gone=gone)
    for key in deleted & by_key.keys():
        verdict.complain("applied after its DELETE", f"key {key}: {by_key[key][0]}")
    _check_pauses(verdict, stories.values(), operations)
    for book in books:
        _check_numbers(verdict, book)
        _check_sums(verdict, book, stories)
    seqs = {key: entries[0]["planServer"]["seq"] for key, entries in by_key.items()}
    _check_real_time(verdict, stories.values(), seqs)
    return verdict


# -- one change ------------------------------------------------------------------------------


def _check_story(
    verdict: Verdict, story: Story, entries: list[Document], *, gone: bool = False
) -> None:
    attempts = [each for each in story.attempts if each.purpose != "other"]
    applied = [each for each in attempts if each.status == _APPLIED]
    refused = [each for each in attempts if 400 <= each.status < 429]
    verdict.acknowledged += bool(applied)
    verdict.refused += bool(refused) and not applied
    verdict.unknown += not applied and not refused
    key = story.intent.key
    if len(entries) > 1:
        verdict.complain("doubled", f"key {key}: {len(entries)} entries")
    if applied and not entries and not gone:
        queued = all(each.code == _QUEUED for each in applied)
        kind = "QUEUED that vanished" if queued else "lost"
        verdict.complain(kind, f"key {key}: {applied[0].data}")
    for each in applied if entries else ():
        in_doubt = any(other.status in _LOST for other in attempts)
        _check_told(verdict, key, each, entries[0], in_doubt=in_doubt)
    if refused and entries:
        verdict.complain("phantom", f"key {key}: {refused[0].code}, but in the log")
    _check_agreement(verdict, key, applied, refused)
    _check_not_applied(verdict, key, attempts)
    for each in story.attempts:
        if each.purpose == "other" and each.status not in (0, *_NOT_APPLIED, 504, _CONFLICT):
            verdict.complain("conflicts not seen", f"key {key}: {each.status} {each.code}")


def _check_told(
    verdict: Verdict, key: str, told: Attempt, entry: Document, *, in_doubt: bool
) -> None:
    """Check an answer 200 against the entry that it stands for.

    `in_doubt`: another call of the key was not answered, and may have been applied after this one
    was queued, which is then a repeat.
    """
    stored = {
        "jobId": entry["_id"],
        "seq": entry["planServer"]["seq"],
        "quantity": entry["changeQuantity"],
        "beforeQuantity": entry["beforeQuantity"],
        "afterQuantity": entry["afterQuantity"],
    }
    if told.code == _QUEUED:  # what it comes to was not known then
        anew = told.data.get("jobId") != stored["jobId"]
        verdict.queued_anew += anew
        if anew and not in_doubt:
            complaint = f"key {key}: queued as {told.data}, the log has {stored}"
            verdict.complain("QUEUED that vanished", complaint)
        return
    if {name: told.data.get(name) for name in stored} != stored:
        verdict.complain("lost", f"key {key}: told {told.data}, the log has {stored}")


def _check_agreement(
    verdict: Verdict, key: str, applied: list[Attempt], refused: list[Attempt]
) -> None:
    settled = [each for each in applied if each.code != _QUEUED]
    jobs = {each.data.get("jobId") for each in settled}
    seqs = {each.data.get("seq") for each in settled}
    codes = {each.code for each in refused}
    # What was queued may be refused when its turn comes: only that is no outcome yet.
    if max(len(jobs), len(seqs), len(codes) + bool(settled)) > 1:
        verdict.complain("disagreeing retries", f"key {key}: {jobs} {seqs} {codes}")
    first = [each for each in applied if not each.data.get("replayed")]
    again = [each for each in applied if each.purpose == "again" and not each.data.get("replayed")]
    if len(first) > 1 or again:
        verdict.complain("disagreeing retries", f"key {key}: applied anew {len(first)} times")


def _check_not_applied(verdict: Verdict, key: str, attempts: list[Attempt]) -> None:
    """Check that what was told "not applied" each time until then is not found as applied."""
    for each in attempts:
        if each.status not in _NOT_APPLIED:
            if each.status == _APPLIED and each.data.get("replayed") and each.purpose == "first":
                verdict.complain("told not applied, but was", f"key {key}")
            return


# -- one order -------------------------------------------------------------------------------


def _check_numbers(verdict: Verdict, book: Books) -> None:
    found = [each["planServer"]["seq"] for each in book.log]
    if found != [*range(1, len(found) + 1)]:
        odd = [seq for place, seq in enumerate(found, 1) if place != seq][:3]
        verdict.complain("gaps or forks", f"order {book.order}: {len(found)} entries, {odd}")
    highest = book.after["planServer"].get("seq", 0)
    if highest != len(found):
        verdict.complain("gaps or forks", f"order {book.order}: seq {highest} of {len(found)}")


def _check_sums(verdict: Verdict, book: Books, stories: Mapping[str, Story]) -> None:
    """Go through the order's log by the business rules, entry by entry."""
    asked = {}
    for entry in book.log:
        story = stories.get(str(entry["planServer"].get("requestId")))
        if story is not None:
            asked[entry["_id"]] = story.intent.quantity
    # Numbers have their own figure.
    mistakes = [each for each in Recount(book, asked).run() if ": seq is " not in each]
    for each in mistakes:
        verdict.complain("sum mismatches", each)


def _check_pauses(
    verdict: Verdict, stories: Iterable[Story], operations: Iterable[Operation]
) -> None:
    """Check that nothing first sent during a pause was told as applied before its end."""
    pauses: dict[str, list[tuple[float, float]]] = defaultdict(list)
    began: dict[str, float] = {}
    for each in operations:
        if each.what == "pause" and each.status == _OK:
            began[each.target] = each.heard_at
        elif each.what in ("pause", "resume") and each.target in began:
            pauses[each.target].append((began.pop(each.target), each.sent_at))
    for story in stories:
        sent_at = story.attempts[0].sent_at if story.attempts else float("inf")
        told = min(
            (
                each.ended_at
                for each in story.attempts
                if each.code == "UPDATED" and each.ended_at is not None
            ),
            default=float("inf"),
        )
        for target in (story.intent.order, ""):
            since, until = _last_before(pauses[target], sent_at)
            if told < until:
                verdict.complain(
                    "pauses that did not hold",
                    f"key {story.intent.key}: applied {told - since:.2f} s into a pause",
                )


def _last_before(pauses: Sequence[tuple[float, float]], moment: float) -> tuple[float, float]:
    """Return the pause of one target, of which the earlier are over, that began last before it."""
    place = bisect_left(pauses, (moment,))
    return pauses[place - 1] if place else (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Told:
    """One change as its caller saw it, in seconds."""

    seq: int
    sent_at: float
    heard_at: float
    applied_at: float
    """When it was told as applied, not only as queued."""
    in_doubt: bool
    """Whether a call before was not answered, or with 504."""


def _check_real_time(verdict: Verdict, stories: Iterable[Story], seqs: Mapping[str, int]) -> None:
    """Check that a change sent after another one was acknowledged has the higher seq.

    One that was in doubt may have a place before those that were only queued: a deposed owner has
    stored it as a job, late (see "Waiting work" in `docs/api.md`).
    """
    by_order: dict[str, list[_Told]] = defaultdict(list)
    for story in stories:
        seq = seqs.get(story.intent.key)
        told = None if seq is None else _told(story, seq)
        if told is not None:
            by_order[story.intent.order].append(told)
    for order, changes in by_order.items():
        heard = applied = float("inf")
        for each in sorted(changes, key=lambda each: -each.seq):
            if heard < each.sent_at:
                if each.in_doubt and applied >= each.sent_at:
                    verdict.old_places += 1
                else:
                    what = f"order {order}: seq {each.seq} came after a later one"
                    verdict.complain("inversions", what)
            heard, applied = min(heard, each.heard_at), min(applied, each.applied_at)


def _told(story: Story, seq: int) -> _Told | None:
    """Return what was heard of a change; None where it was never acknowledged."""
    heard = [
        each for each in story.attempts if each.status == _APPLIED and each.ended_at is not None
    ]
    if not heard:
        return None
    first = min(each.ended_at or 0.0 for each in heard)
    applied = [each.ended_at or 0.0 for each in heard if each.code != _QUEUED]
    in_doubt = any(each.status in _LOST and each.sent_at < first for each in story.attempts)
    sent_at = story.attempts[0].sent_at
    return _Told(seq, sent_at, first, min(applied, default=float("inf")), in_doubt)
