"""The Store port and its implementations, MongoDB (`mongo`) and SQLite (`sqlite`)."""

from __future__ import annotations

from actors.store.port import (
    ChangeSet,
    CommitResult,
    Committed,
    Evidence,
    EvidenceQuery,
    LogPage,
    LogQuery,
    Outcome,
    Refusal,
    Stale,
    Store,
    StoredOrder,
)

__all__ = [
    "ChangeSet",
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
