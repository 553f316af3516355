"""What the commands show: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

_NOT_A_TERMINAL = 200
console = Console(highlight=False, width=None if sys.stdout.isatty() else _NOT_A_TERMINAL)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)
_IDS = frozenset({"jobId", "workOrderId"})

_GOOD = frozenset({"ok", "owner", "completed", "applied", "serving"})
_BAD = frozenset({"unavailable", "failed", "DEAD_LETTER", "stopped"})


def as_json(value: object, *, in_one_line: bool = False) -> None:
    """Print one JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=None if in_one_line else 2), flush=True)


def shown(value: object) -> Text:
    """Return a value as a cell; what the service says is text, never markup."""
    if value is None or value == "":
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    text = f"{value:,}" if isinstance(value, int) else str(value)
    style = "green" if text in _GOOD else "red" if text in _BAD else ""
    return Text(text, style=style, overflow="fold")


def facts(title: str, rows: Mapping[str, object]) -> Table:
    """Return names and values, one under the other."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, shown(value))
    return table


def listing(
    title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> RenderableType:
    """Return rows under headings; `columns` has the heading by the field's name."""
    if not rows:
        return Text(f"{title}: none")
    table = Table(title=title, title_justify="left")
    for name, heading in columns.items():
        table.add_column(heading, overflow="fold", no_wrap=name in _IDS)
    for row in rows:
        table.add_row(*(shown(row.get(name)) for name in columns))
    return table
