"""The Store port and its implementations, MongoDB (`mongo`) and SQLite (`sqlite`)."""

from __future__ import annotations

from actors.domain.commit import ChangeSet, CommitResult, Committed, Stale, StoredOrder
from actors.domain.evidence import Evidence, EvidenceQuery, Outcome, Refusal
from actors.store.port import Claim, LogPage, LogQuery, Store

__all__ = [
    "ChangeSet",
    "Claim",
    "CommitResult",
    "Committed",
    "Evidence",
    "EvidenceQuery",
    "LogPage",
    "LogQuery",
    "Outcome",
    "Refusal",
    "Stale",
    "Store",
    "StoredOrder",
]
