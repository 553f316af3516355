"""Findings for people and for programs: a table, JSON lines' one document, CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from scripts.operate.screen import console, facts, listing
from scripts.reconcile.findings import Kind
from web.wire.spreadsheet import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scripts.reconcile.findings import Finding

_COLUMNS: Final = {
    "kind": "kind",
    "workOrderId": "order",
    "workOrderNo": "number",
    "subject": "of what",
    "detail": "what is wrong",
    "repair": "repair",
}


class Form(StrEnum):
    """Forms of the report."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def print_report(form: Form, findings: Sequence[Finding], about: Mapping[str, Any]) -> None:
    """Print what was found; `about` says what was looked at, and is left out of CSV."""
    rows = [row_of(each) for each in findings]
    if form is Form.JSON:
        counts = counted(findings)
        document = {**about, "counts": counts, "findings": rows}
        print(json.dumps(document, ensure_ascii=False, indent=2), flush=True)
    elif form is Form.CSV:
        _print_csv(rows)
    else:
        console.print(listing("findings", _COLUMNS, rows))
        console.print(facts("looked at", about))


def row_of(finding: Finding) -> dict[str, Any]:
    """Return a finding as reports show it."""
    repair = finding.repair
    return {
        "kind": finding.kind.value,
        "workOrderId": finding.order,
        "workOrderNo": finding.order_no,
        "subject": finding.subject,
        "detail": finding.detail,
        "key": finding.key,
        "repair": None if repair is None else asdict(repair),
    }


def counted(findings: Sequence[Finding]) -> dict[str, int]:
    """Count findings by kind, the kinds without one too."""
    found = Counter(each.kind for each in findings)
    return {kind.value: found[kind] for kind in Kind}


def _print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow([*_COLUMNS, "key"])
    for row in rows:
        repair = row["repair"]
        told = "" if repair is None else f"{repair['type']} {repair['quantity']:+}"
        cells = [*(row[name] for name in _COLUMNS if name != "repair"), told, row["key"]]
        writer.writerow([plain(str(each)) for each in cells])
