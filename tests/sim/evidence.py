"""What a place of outcomes says to those who ask it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from actors.domain.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.domain.evidence import EvidenceQuery, Outcome
    from actors.domain.model import LogEntry

    Asked = Sequence[tuple[EvidenceQuery, Evidence]]


def note_outcomes(asked: Asked, outcomes: Sequence[Outcome]) -> None:
    """Note those whose keys or jobs are asked for."""
    for query, evidence in asked:
        for outcome in outcomes:
            if _asked_for(query, outcome):
                evidence.note(outcome)


def note_barcodes(asked: Asked, entries: Iterable[LogEntry]) -> None:
    """Note what became of the barcodes that are asked for."""
    for query, evidence in asked:
        for entry in entries:
            if entry.work_order_id == query.work_order_id and (
                query.whole or entry.change.context.related_barcode in query.barcodes
            ):
                history = Evidence()
                history.note(entry)
                evidence.include(replace(history, by_job={}, by_request={}))


def _asked_for(query: EvidenceQuery, outcome: Outcome) -> bool:
    return outcome.work_order_id == query.work_order_id and (
        outcome.change.request_id in query.request_ids or outcome.change.job_id in query.job_ids
    )
