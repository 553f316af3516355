"""What the commands show: tables for people, JSON for programs."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from scripts.operate.words import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

_NOT_A_TERMINAL: Final = 200
_FOLDED: Final = 22
"""Cells that a column of sentences keeps at least; longer ones go on below."""
_BETWEEN: Final = 3
"""Cells between two columns."""


def _width() -> int | None:
    if sys.stdout.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else _NOT_A_TERMINAL


console = Console(highlight=False, width=_width())
complaints = Console(stderr=True, highlight=False, soft_wrap=True)
_IDS = frozenset({"jobId", "workOrderId"})
_SENTENCES = frozenset({"error", "message", "detail", "description", "materialName", "url"})

_GOOD = frozenset({"ok", "owner", "completed", "applied", "serving"})
_BAD = frozenset({"unavailable", "failed", "DEAD_LETTER", "stopped"})


def speak_any_locale() -> None:
    """Write what the terminal's encoding lacks as escapes, where it would end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def as_json(value: object, *, in_one_line: bool = False) -> None:
    """Print one JSON document, which every terminal can show."""
    plain = (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
    print(
        json.dumps(value, ensure_ascii=plain, indent=None if in_one_line else 2, default=str),
        flush=True,
    )


def shown(value: object) -> Text:
    """Return a value as a cell; what the service says is text, never markup."""
    if value is None or value == "":
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text(say("yes") if value else say("no"))
    text = f"{value:,}" if isinstance(value, int) else str(value)
    style = "green" if text in _GOOD else "red" if text in _BAD else ""
    return Text(text, style=style, overflow="fold")


def facts(title: str, rows: Mapping[str, object]) -> Table:
    """Return names and values, one under the other."""
    table = Table(title=say(title), title_justify="left", show_header=False, box=None)
    table.pad_edge = False
    table.add_column(style="bold")
    table.add_column()
    for name, value in rows.items():
        table.add_row(say(name), shown(value))
    return table


def listing(
    title: str,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    *,
    most: int | None = None,
) -> RenderableType:
    """Return rows under headings, `most` at most; `columns` has the heading by the field's name.

    The columns that matter most come first: the last ones are left out, and named, where all of
    them would be too wide.
    """
    if not rows:
        return Text(f"{say(title)}: {say('none')}")
    cells = {name: [shown(row.get(name)) for row in rows[:most]] for name in columns}
    kept = _fitting({name: _needed(name, columns[name], cells[name]) for name in columns})
    table = Table(title=say(title), title_justify="left", expand=False)
    for name in kept:
        table.add_column(say(columns[name]), overflow="fold", no_wrap=name in _IDS)
    for row in zip(*(cells[name] for name in kept), strict=True):
        table.add_row(*row)
    missing = [say(columns[name]) for name in columns if name not in kept]
    if not missing:
        return table
    note = f"{say('not shown for want of room')}: {', '.join(missing)}"
    return Group(table, Text(note, style="dim"))


def _needed(name: str, heading: str, cells: Sequence[Text]) -> int:
    """Return how many cells a column needs at least, its border with it."""
    widest = max(map(cell_len, (say(heading), *(cell.plain for cell in cells))))
    return _BETWEEN + (min(widest, _FOLDED) if name in _SENTENCES else widest)


def _fitting(needed: Mapping[str, int]) -> list[str]:
    room, kept = console.width - 1, list[str]()
    for name, cells in needed.items():
        room -= cells
        if room < 0 and kept:
            break
        kept.append(name)
    return kept
