"""Python programs that start without importing: forked by a helper that has imported all they need.

A node imports for a second of CPU before it does anything, and tests start hundreds. What is forked
is a child of this process as any other, with an environment and a session of its own.
Standard library only, imports nothing of ours: the helper runs this file by its path.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import resource
import runpy
import socket
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EXIT_DEADLINE_S = 10
_POLL_S = 0.005
_SET_CHILD_SUBREAPER = 36
_MOST_FILES = 64_000
_GO = b"go\n"
_starting = threading.Lock()


def can_fork() -> bool:
    """Return whether a `WarmProgram` runs here: on Linux, and where no coverage is measured.

    That begins with the interpreter, which is the helper's.
    """
    return sys.platform == "linux" and not any(each.startswith("COVERAGE_") for each in os.environ)


class ForkedProcess:
    """A forked child: what tests use of `subprocess.Popen`. It begins when told so on `stdin`."""

    def __init__(self, pid: int, stdin: IO[bytes]) -> None:
        self.pid = pid
        self.stdin = stdin
        self._code: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal, or None while it runs."""
        with self._lock:
            if self._code is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                self._code = os.waitstatus_to_exitcode(status) if ended else None
            return self._code

    def wait(self, timeout: float = float("inf")) -> int:
        """Wait until it has ended; raises `subprocess.TimeoutExpired` after so many seconds."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing happens where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class WarmProgram:
    """`python -m module`, many times; `later` are modules that it imports later. Thread-safe."""

    def __init__(self, module: str, later: Sequence[str], root: Path) -> None:
        """Find the modules below `root`."""
        self._modules = [module, *later]
        self._root = root
        self._channel: socket.socket | None = None

    def start(
        self, environment: Mapping[str, str], folder: Path, stdout: int, stderr: int
    ) -> ForkedProcess:
        """Fork it, in that folder; it waits for a line "go" on its `stdin`.

        Raises ChildProcessError when the helper has ended, which says why on standard error.
        """
        gate, ours = os.pipe()
        stdin = os.fdopen(ours, "wb", buffering=0)
        try:
            with _starting:
                pid = self._fork([gate, stdout, stderr])
            told = {"environment": {**environment}, "folder": str(folder)}
            stdin.write(json.dumps(told).encode() + b"\n")
        except BaseException:
            stdin.close()
            raise
        finally:
            os.close(gate)
        return ForkedProcess(pid, stdin)

    def _fork(self, descriptors: Sequence[int]) -> int:
        self._channel = self._channel or self._begin()
        # It is the helper's grandchild, and ours as soon as its parent has ended.
        prctl = ctypes.CDLL(None).prctl
        prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(self._channel, [b"fork"], descriptors)
            return int(self._channel.recv(32))
        except (ConnectionError, ValueError) as error:
            raise ChildProcessError(f"what starts {self._modules[0]} has ended") from error
        finally:
            prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            helper = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno()), *self._modules],
                env={**os.environ, "PYTHONPATH": str(self._root)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # A Ctrl-C in the terminal is for the tests; the helper ends with its socket.
                start_new_session=True,
            )
        atexit.register(helper.wait, _EXIT_DEADLINE_S)
        atexit.register(ours.close)
        return ours


def _serve(channel: socket.socket, modules: Sequence[str]) -> list[int]:
    """Fork for each message; returns in what was forked, with its descriptors."""
    for module in modules:
        import_module(module)
    if len([*Path("/proc/self/task").iterdir()]) > 1:
        raise RuntimeError("an import has started a thread, and a fork is without it")
    gc.collect()
    gc.freeze()
    while True:
        asked, descriptors, *_ = socket.recv_fds(channel, 32, 3)
        if not asked:
            sys.exit()
        told, tell = os.pipe()
        between = os.fork()
        if not between:
            if pid := os.fork():
                os.write(tell, str(pid).encode())
                os._exit(0)
            channel.close()
            os.close(told)
            os.close(tell)
            return descriptors
        os.waitpid(between, 0)
        channel.send(os.read(told, 32))
        for each in (told, tell, *descriptors):
            os.close(each)


def _become(module: str, gate: int, stdout: int, stderr: int) -> None:
    """Be what a new interpreter would be, when told so."""
    os.setsid()
    for number, each in ((1, stdout), (2, stderr)):
        os.dup2(each, number)
        os.close(each)
    with os.fdopen(gate, "rb") as stdin:
        told = stdin.readline()
        if stdin.readline() != _GO:
            os._exit(1)
    it = json.loads(told)
    os.chdir(it["folder"])
    os.environ.clear()
    os.environ.update(it["environment"])
    time.tzset()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    sys.argv = [module]
    del sys.modules[module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _become(sys.argv[2], *_serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:]))
