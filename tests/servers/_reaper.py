"""A small process that ends servers whose starter is gone, however that ended.

The kernel's parent-death signal would do it without a process, but it fires when the starting
*thread* ends, and tests restart servers from worker threads. So a child holds the end of a pipe:
when the starter dies, kill -9 included, the pipe closes and the child cleans up.
Standard library only, imports nothing of ours: the child runs this file by its path.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_EXIT_DEADLINE_S = 10


class Reaper:
    """Watch over processes and folders on behalf of this process; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def watch_process(self, pid: int) -> None:
        """Kill that process when this one ends."""
        self._say(f"+process {pid}")

    def release_process(self, pid: int) -> None:
        """Forget that process: it has ended and been waited for."""
        self._say(f"-process {pid}")

    def watch_folder(self, folder: Path) -> None:
        """Delete that folder when this process ends."""
        self._say(f"+folder {folder}")

    def release_folder(self, folder: Path) -> None:
        """Forget that folder."""
        self._say(f"-folder {folder}")

    def _say(self, line: str) -> None:
        with self._lock:
            if self._child is None:
                self._child = self._start()
            assert self._child.stdin is not None
            self._child.stdin.write(line + "\n")
            self._child.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            text=True,
            # A Ctrl-C in the terminal is for the tests; the reaper outlives them.
            start_new_session=True,
        )
        atexit.register(self._finish, child)
        return child

    @staticmethod
    def _finish(child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        child.stdin.close()
        child.wait(_EXIT_DEADLINE_S)


def _reap(lines: Iterable[str]) -> None:
    watched: dict[str, set[str]] = {"process": set(), "folder": set()}
    for line in lines:
        action, _, value = line.rstrip("\n").partition(" ")
        sign, kind = action[0], action[1:]
        if sign == "+":
            watched[kind].add(value)
        else:
            watched[kind].discard(value)
    for pid in watched["process"]:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    for folder in watched["folder"]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _reap(sys.stdin)
