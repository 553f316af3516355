"""The callers' history: one JSON object a line, written outside the system that is tested.

Times are seconds of the driver's monotonic clock. A file can be checked again later.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Intent:
    """One intended change, sent under one key until it is settled, and perhaps again later."""

    key: str
    order: str
    kind: str
    """input or output."""
    quantity: float
    context: dict[str, Any] = field(default_factory=dict)
    wait: bool = True
    """Whether the caller waits until it is applied; else it is content with QUEUED."""

    def body(self) -> dict[str, Any]:
        """Return the body of its request."""
        how = {} if self.wait else {"wait": False}
        return how | {
            "workOrderId": self.order,
            "type": self.kind,
            "quantity": self.quantity,
            "requestId": self.key,
            "logContext": self.context,
        }


@dataclass(slots=True)
class Attempt:
    """One request for an intent; without a code it was not answered."""

    sent_at: float
    purpose: str
    """first (again until settled), again (settled before) or other (another content)."""
    node: int
    ended_at: float | None = None
    status: int = 0
    code: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Story:
    """An intent and all its attempts, in the order of their beginning."""

    intent: Intent
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of an operator; without a status it was not answered."""

    heard_at: float
    what: str
    """pause, resume, delete, retry or clean."""
    target: str
    """An order, or the key of a job; empty for all."""
    sent_at: float
    status: int


class HistoryWriter:
    """Writes what callers do and hear, as it happens; as a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._attempts = 0

    def intends(self, intent: Intent) -> None:
        """Note a change before it is first sent."""
        what = [intent.key, intent.order, intent.kind, intent.quantity]
        self._write("intent", *what, intent.context, intent.wait)

    def sends(self, intent: Intent, purpose: str, node: int) -> int:
        """Note an attempt before its first byte; give its number."""
        self._attempts += 1
        self._write("sent", self._attempts, intent.key, purpose, node)
        return self._attempts

    def hears(self, attempt: int, status: int, code: str, data: dict[str, Any]) -> None:
        """Note an answer; status 0 is none."""
        kept = {name: data[name] for name in _KEPT if name in data}
        self._write("heard", attempt, status, code, kept)

    def operates(self, what: str, target: str, sent_at: float, status: int) -> None:
        """Note a call of an operator, once it is answered or given up."""
        self._write("operation", what, target, sent_at, status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self, what: str, *fields: object) -> None:
        line = json.dumps([what, time.monotonic(), *fields], ensure_ascii=False)
        self._file.write(line + "\n")


_KEPT = ("jobId", "seq", "quantity", "beforeQuantity", "afterQuantity", "replayed")


def read_history(path: Path) -> dict[str, Story]:
    """Read a closed history; stories by key."""
    stories: dict[str, Story] = {}
    attempts: dict[int, Attempt] = {}
    for what, at, *fields in _lines(path):
        match what:
            case "operation":
                pass
            case "intent":
                intent = Intent(*fields)
                stories[intent.key] = Story(intent)
            case "sent":
                number, key, purpose, node = fields
                attempts[number] = Attempt(at, purpose, node)
                stories[key].attempts.append(attempts[number])
            case _:
                number, status, code, data = fields
                attempt = attempts[number]
                attempt.ended_at = at
                attempt.status, attempt.code, attempt.data = status, code, data
    return stories


def read_operations(path: Path) -> list[Operation]:
    """Read what operators did, in the order of the answers."""
    return [Operation(at, *fields) for what, at, *fields in _lines(path) if what == "operation"]


def _lines(path: Path) -> Iterator[list[Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
