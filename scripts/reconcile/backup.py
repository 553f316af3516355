"""The file that tells what was repaired, written before each repair, and read to undo it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bson import json_util

from scripts.reconcile.report import row_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scripts.reconcile.findings import Finding


class NotABackup(ValueError):
    """The file is none that `--undo` can read; the text says why."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A file of JSON lines: of each repair the order as it was and what is wrong with it."""

    path: Path

    @classmethod
    def new(cls, path: Path) -> Backup:
        """Make the file, readable by its owner only; raises OSError where it is there already."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return cls(path)

    def note(self, finding: Finding, document: Mapping[str, Any] | None) -> None:
        """Note a repair before it is sent; on the disk when this returns."""
        line = {"repair": row_of(finding), "order": document}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json_util.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


def repairs_in(path: Path) -> list[tuple[str, str]]:
    """Return order and key of each repair that a file tells of; raises `NotABackup`, OSError.

    A last line that was not written to its end tells of a repair that was not sent.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    found: list[tuple[str, str]] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            repair = json.loads(line)["repair"]
            found.append((str(repair["workOrderId"]), str(repair["key"])))
        except (ValueError, KeyError, TypeError) as error:
            raise NotABackup(f"line {number} of {path} tells of no repair") from error
    return found
