"""What can be found wrong, and the keys by which each is put right once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actors.domain.model import Number

REPAIR: Final = "reconcile"
UNDO: Final = "reconcile-undo"
"""What the idempotency keys of our entries begin with."""
_DIGEST_BYTES: Final = 8


class Kind(StrEnum):
    """Kinds of findings, as reports and `--repair` name them."""

    QUANTITY = "quantity"
    LOST_CHANGE = "lost-change"
    MISSING_ROW = "missing-row"
    ROW_SUM = "row-sum"
    BARCODE_NET = "barcode-net"
    REPEATED_SCAN = "repeated-scan"
    STATUS = "status"
    PROGRESS = "progress"
    END_TIME = "end-time"
    SCRAP = "scrap"
    OVER_INPUT = "over-input"
    NEGATIVE = "negative"
    NULL = "null"
    ABSURD = "absurd"
    WRONG_TYPE = "wrong-type"
    SUPPLEMENT = "supplement"
    ORPHAN_ROWS = "orphan-rows"
    OUTBOX = "outbox"
    INBOX = "inbox"
    OLD_QUEUE = "old-queue"
    FLOW = "flow"


REPAIRABLE: Final = frozenset(
    {
        Kind.QUANTITY,
        Kind.LOST_CHANGE,
        Kind.BARCODE_NET,
        Kind.REPEATED_SCAN,
        Kind.STATUS,
        Kind.PROGRESS,
        Kind.NEGATIVE,
    }
)
"""Those of which some have a correct value that is known."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The change that puts a finding right: pieces to add to `input` or `output`.

    0 has the rules decide status and progress once more.
    """

    type: str
    quantity: Number


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree.

    `order` is the order's id, "" where it is about none; `subject` is what of it, such as
    `input SN-1`; `key` is the same for as long as nothing about the subject changes.
    """

    kind: Kind
    order: str
    order_no: str
    subject: str
    detail: str
    key: str = ""
    repair: Repair | None = None


def subject_digest(kind: Kind, subject: str) -> str:
    """Return what stands for a subject in keys: by it an entry of ours is known to be about it."""
    return _digest(f"{kind}\0{subject}")


def repair_key(kind: Kind, subject: str, *evidence: object) -> str:
    """Return the key of the entry that repairs this finding, given what it was found by."""
    found_by = _digest("\0".join(map(repr, evidence)))
    return f"{REPAIR}:{kind}:{subject_digest(kind, subject)}:{found_by}"


def undo_key(key: str) -> str:
    """Return the key of the entry that takes the repair with `key` back."""
    return f"{UNDO}{key.removeprefix(REPAIR)}"


def subject_of(key: str) -> str | None:
    """Return whose digest a key of ours, of a repair or its undoing, has; None of another's."""
    match key.split(":"):
        case [name, _, subject, _] if name in (REPAIR, UNDO):
            return subject
    return None


def _digest(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    return blake2b(encoded, digest_size=_DIGEST_BYTES).hexdigest()
