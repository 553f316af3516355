"""`python -m web` as a process of its own, and what it says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from config.settings.settings import environment_fields
from tests.servers._warm import can_fork
from tests.service.nodes import ROOT, warm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers._warm import ForkedProcess

START_S = 100.0
STOP_S = 100.0


class ServiceProcess:
    """One node in a process; as a context manager, gone after. `settings` are its environment.

    With `plain` it begins with its interpreter and its imports, as one in production does.
    """

    def __init__(self, settings: Mapping[str, str], *, plain: bool = False) -> None:
        self._settings = {"PORT": "0", **settings}
        self._plain = plain or not can_fork()
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self.events: list[dict[str, Any]] = []
        """What it logged to standard output, one JSON object a line."""
        self.complaints: list[str] = []
        """What it wrote to standard error."""

    async def start(self) -> None:
        """Start and wait until it serves updates."""
        await self.launch()
        await self.event("service_started", START_S)
        # On a busy machine its first try for the lease may get no answer in time.
        await self.event("owner", START_S)

    async def launch(self) -> None:
        """Start without waiting."""
        (log, its_log), (complaints, its_complaints) = os.pipe(), os.pipe()
        try:
            self._process = await asyncio.to_thread(self._begin, its_log, its_complaints)
        finally:
            os.close(its_log)
            os.close(its_complaints)
        self._readers = [
            asyncio.create_task(self._read_log(await _reader(log))),
            asyncio.create_task(self._read_complaints(await _reader(complaints))),
        ]

    def _begin(self, stdout: int, stderr: int) -> subprocess.Popen[bytes] | ForkedProcess:
        others = {
            name: value for name, value in os.environ.items() if name not in environment_fields()
        }
        environment = {**others, **self._settings}
        if self._plain:
            return subprocess.Popen(
                [sys.executable, "-m", "web"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        forked = warm().start(environment, ROOT, stdout, stderr)
        with forked.stdin as gate:
            gate.write(b"go\n")
        return forked

    @property
    def url(self) -> str:
        """Where it serves; known once it has started."""
        return str(self.named("service_started")[0]["url"])

    @property
    def port(self) -> int:
        """The port of `url`."""
        return int(self.url.rpartition(":")[2])

    def named(self, event: str) -> list[dict[str, Any]]:
        """Return the log's events of that name so far."""
        return [each for each in self.events if each["event"] == event]

    async def event(self, name: str, within_s: float = 100.0) -> dict[str, Any]:
        """Wait for an event in its log."""
        try:
            async with asyncio.timeout(within_s):
                while not self.named(name):
                    if self._ended:
                        raise AssertionError(f"it ended without {name}: {self.said}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {name} within {within_s} s: {self.said}") from None
        return self.named(name)[0]

    def signal(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(signum)

    async def ended(self, within_s: float = STOP_S) -> int:
        """Wait until it has ended; give its exit code."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            await asyncio.gather(*self._readers)
            return await asyncio.to_thread(self._process.wait)

    @property
    def said(self) -> str:
        """All that it wrote, for messages of tests."""
        return "\n".join([*map(str, self.events), *self.complaints])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            await self.ended()

    @property
    def _ended(self) -> bool:
        return all(reader.done() for reader in self._readers)

    async def _read_log(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            if line.endswith(b"\n"):  # else it was killed while it wrote this
                self.events.append(json.loads(line))
            self._changed.set()
        self._changed.set()

    async def _read_complaints(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            self.complaints.append(line.decode().rstrip("\n"))
        self._changed.set()


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader
