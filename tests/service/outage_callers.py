"""The calling processes of the outage drill, and the notes that they leave, even when killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.clients.outage_options import ATTEMPT_S, BREAKER_OPEN_S, DEADLINE_S, PAUSE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ROOT: Final = Path(__file__).parents[2]
_NODE_CALLER: Final = "tests/clients/node/outageCaller.js"
Kind = Literal["python", "node"]


@dataclass(slots=True)
class Caller:
    """One process, and what it has noted so far."""

    name: str
    kind: Kind
    journal: Path
    process: subprocess.Popen[bytes]
    deadline_s: float = DEADLINE_S
    dead_letters: int = 0
    _asked: list[dict[str, Any]] = field(default_factory=list)
    _answers: list[dict[str, Any]] = field(default_factory=list)
    _read: int = 0

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Return what it has asked for so far."""
        self._look()
        return self._asked

    @property
    def answers(self) -> list[dict[str, Any]]:
        """Return what it was answered so far."""
        self._look()
        return self._answers

    def told(self, code: str) -> bool:
        """Return whether it was ever answered that."""
        return any(each["code"] == code for each in self.answers)

    @property
    def exit_code(self) -> int | None:
        """Return how it ended; a negative number is a signal."""
        return self.process.poll()

    def _look(self) -> None:
        if not self.journal.exists():
            return
        with self.journal.open("rb") as notes:
            notes.seek(self._read)
            for line in notes:
                if not line.endswith(b"\n"):  # being written, or cut off by a kill
                    break
                self._read += len(line)
                self._take(json.loads(line))

    def _take(self, noted: dict[str, Any]) -> None:
        if "asked" in noted:
            self._asked.append(noted)
        elif "answered" in noted:
            self._answers.append(noted)
        else:
            self.dead_letters = noted["dead"]


class Callers:
    """A crowd of callers on one host: those in Python share an outbox, those in Node another."""

    def __init__(self, url: str, folder: Path, orders: Sequence[str]) -> None:
        self._url = url
        self._folder = folder
        self._orders = ",".join(orders)
        self.all: list[Caller] = []
        self._outboxes = {"python": folder / "outbox.sqlite3", "node": folder / "outbox"}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def alive(self) -> list[Caller]:
        """Return those that run."""
        return [each for each in self.all if each.exit_code is None]

    def add(self, kind: Kind) -> None:
        """Start another one."""
        name = f"{kind[0]}{len(self.all):03d}"
        journal = self._folder / f"{name}.jsonl"
        arguments = [name, self._url, str(self._outboxes[kind]), str(journal), self._orders]
        # It ends with its standard input, so with us, however we end.
        process = subprocess.Popen(
            [*_program(kind), *arguments],
            cwd=_ROOT,
            env={**os.environ, **_in_milliseconds()},
            stdin=subprocess.PIPE,
        )
        self.all.append(Caller(name, kind, journal, process))

    def kill(self, callers: Iterable[Caller]) -> None:
        """Kill some, wherever they are."""
        for caller in callers:
            caller.process.kill()
        for caller in callers:
            caller.process.wait()

    def kill_all(self) -> None:
        """Leave none behind."""
        self.kill(self.alive)
        for caller in self.all:
            if caller.process.stdin is not None:
                caller.process.stdin.close()

    def finish(self) -> None:
        """Ask all to end once their outboxes are empty."""
        for caller in self.alive:
            caller.process.send_signal(signal.SIGTERM)

    def waiting(self) -> int:
        """Count what waits in the outbox of those in Python."""
        with closing(sqlite3.connect(self._outboxes["python"], timeout=30)) as outbox:
            [(entries,)] = outbox.execute("SELECT entries FROM usage").fetchall()
        return int(entries)


def _program(kind: Kind) -> list[str]:
    if kind == "python":
        return [sys.executable, "-m", "tests.clients.outage_caller"]
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("node is not on PATH: the callers need Node 18 or newer")
    return [node, _NODE_CALLER]


def _in_milliseconds() -> dict[str, str]:
    seconds = {
        "DEADLINE_MS": DEADLINE_S,
        "ATTEMPT_MS": ATTEMPT_S,
        "BREAKER_OPEN_MS": BREAKER_OPEN_S,
        "PAUSE_MS": PAUSE_S,
    }
    return {name: str(round(value * 1000)) for name, value in seconds.items()}
