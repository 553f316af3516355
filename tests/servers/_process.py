"""One server process: started, stopped, killed, paused and restarted on the same data and port."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.servers._errors import ServerError
from tests.servers._reaper import Reaper

if TYPE_CHECKING:
    from typing import IO

    from tests.servers._binaries import Binary
    from tests.servers._warm import ForkedProcess

_START_DEADLINE_S = 60
_STOP_DEADLINE_S = 30
_POLL_S = 0.01
_PORT_ATTEMPTS = 50
_LOG_TAIL = 3000
# Below what systems hand to outgoing connections: a client that calls a stopped server on a port
# of that range can be given the very port it calls, and then talks to itself.
_PORTS = range(15_000, 30_000)
# The child becomes the server only when told to, which is after the reaper knows its pid. It may
# open more files than the 1024 that users begin with: mongod aborts when it runs out of them.
_GATE = """
files=$(ulimit -Hn)
[ "$files" != unlimited ] && [ "$files" -lt 64000 ] || files=64000
ulimit -Sn "$files"
read -r go && exec "$@" </dev/null
"""

_reaper = Reaper()


def free_port() -> int:
    """Return a loopback port nobody listens on, outside the range of outgoing connections."""
    for _ in range(_PORT_ATTEMPTS):
        port = random.choice(_PORTS)  # noqa: S311 - parallel runs should differ, nothing more
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise ServerError(f"no free loopback port found in {_PORT_ATTEMPTS} attempts")


class ServerProcess(ABC):
    """Run one server on loopback; as a context manager, started inside and gone after.

    It ends with this process at the latest. `folder` receives `data/` and `server.log`; without
    one a temporary folder is used and removed by `close`. With one, `close` leaves the log there.
    Calls block until done: from an event loop, make them through `asyncio.to_thread`.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path | None = None) -> None:
        self.port = free_port()
        self._own_folder = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="work-order-server-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._started_before = False

    @property
    @abstractmethod
    def uri(self) -> str:
        """Say where clients find the server; valid before it is started, kept by restarts."""

    @property
    def log_path(self) -> Path:
        """Return the file that receives all the server says, over restarts."""
        return self._folder / "server.log"

    @property
    def running(self) -> bool:
        """Return whether the process lives; a paused one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the server's process id; raises ServerError when it was not started."""
        return self._started().pid

    def start(self) -> None:
        """Start on the data left by the last run; return when it takes connections.

        Raises ServerError with the end of the log when it does not come up.
        """
        if self.running:
            raise ServerError(f"{self!r} runs already")
        # It may have ended by itself.
        self._forget()
        self._end_with_us()
        while not self._try_to_start():
            self.port = free_port()
        self._started_before = True

    def stop(self) -> None:
        """End it in good order; the data stays. Does nothing when it does not run."""
        if not self.running:
            self._forget()
            return
        self.resume()
        self._signal(signal.SIGTERM)
        try:
            self._started().wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ServerError(self._report(f"did not stop in {_STOP_DEADLINE_S} s")) from error
        self._forget()

    def kill(self) -> None:
        """End it by SIGKILL, as a crash does; the data stays. Does nothing when it is gone."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait(_STOP_DEADLINE_S)
        self._forget()

    def restart(self) -> None:
        """Stop it when it runs, and start it again on the same data and port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it by SIGSTOP: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)
        # Its threads stop one by one; until the last has, it may answer.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused server go on; harmless on one that is not paused."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it at once and delete its data; with its log where the folder is its own."""
        self.kill()
        doomed = self._folder if self._own_folder else self._data
        shutil.rmtree(doomed, ignore_errors=True)
        _reaper.release_folder(doomed)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.host}:{self.port}>"

    @abstractmethod
    def _binary(self) -> Binary:
        """Find the server's program."""

    @abstractmethod
    def _arguments(self, data: Path) -> list[str]:
        """Say how to start it in the foreground on `self.port`, logging to standard output."""

    @property
    @abstractmethod
    def _ready_line(self) -> bytes:
        """Return the part of a log line that tells it takes connections."""

    def _end_with_us(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        _reaper.watch_folder(self._folder if self._own_folder else self._data)

    def _try_to_start(self) -> bool:
        """Start once; False when another program took the port of a first start meanwhile."""
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._spawn()
        deadline = time.monotonic() + _START_DEADLINE_S
        while self._ready_line not in self._log_since(log_start):
            if not self.running:
                self._forget()
                # Read once more: these are its last words.
                taken = b"ddress already in use" in self._log_since(log_start)
                if taken and not self._started_before:
                    return False
                raise ServerError(self._report("ended while starting"))
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(self._report(f"not ready in {_START_DEADLINE_S} s"))
            time.sleep(_POLL_S)
        return True

    def _spawn(self) -> None:
        binary = self._binary()
        with self.log_path.open("ab") as log:
            self._process = self._begin(binary, {**os.environ, **binary.environment}, log)
        _reaper.watch_process(self._process.pid)
        assert self._process.stdin is not None
        with self._process.stdin as gate:
            gate.write(b"go\n")

    def _begin(
        self, binary: Binary, environment: dict[str, str], log: IO[bytes]
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        """Make the process, which waits until it is told to go on."""
        command = ["sh", "-c", _GATE, "sh", str(binary.path), *self._arguments(self._data)]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env=environment,
            # A Ctrl-C in the terminal ends the tests, which then end their servers.
            start_new_session=True,
        )

    def _forget(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _reaper.release_process(process.pid)

    def _started(self) -> subprocess.Popen[bytes] | ForkedProcess:
        if self._process is None:
            raise ServerError(f"{self!r} does not run")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        self._started().send_signal(number)

    def _log_since(self, offset: int) -> bytes:
        with self.log_path.open("rb") as log:
            log.seek(offset)
            return log.read()

    def _report(self, what: str) -> str:
        tail = self.log_path.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
        return f"{self!r} {what}; its log ends:\n{tail}"
