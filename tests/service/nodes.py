"""A node of the service as a process of its own: what runs in production, with real signals."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final

from config.settings.settings import Settings
from tests.servers import ServerError, ServerProcess
from tests.servers._binaries import Binary
from tests.servers._warm import WarmProgram, can_fork

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.servers._warm import ForkedProcess

ROOT: Final = Path(__file__).resolve().parents[2]
_READY_DEADLINE_S: Final = 100
_POLL_S: Final = 0.05
_OK: Final = 200
_LATER: Final = (
    "actors.lease.file",
    "actors.lease.redis",
    "actors.shards.node",
    "actors.shards.settle",
    "actors.store.mongo.store",
    "actors.store.sqlite.store",
    "motor.motor_asyncio",
    "web.openapi.document",
)
"""What a node imports when its settings, or its callers, ask for it."""


@cache
def warm(module: str = "web.__main__") -> WarmProgram:
    """Return what starts nodes here without the second of CPU that their imports take."""
    return WarmProgram(module, _LATER, ROOT)


class ServiceNode(ServerProcess):
    """Run `python -m web`, with nothing set but `environment` and a free loopback port.

    Its standard output and error are both in `log_path`. `start` returns when the node serves
    updates. It can be stopped, killed, paused and restarted as any server of these tests;
    `folder` holds its `data/`, where SQLite and the file lease are.
    """

    module: ClassVar = "web.__main__"

    def __init__(self, environment: Mapping[str, str], folder: Path | None = None) -> None:
        super().__init__(folder)
        self.environment = dict(environment)

    @property
    def uri(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self._data

    def start(self) -> None:
        """Start on the data of the last run; return when updates are served."""
        super().start()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it, and return when it listens, whether or not updates are served by then."""
        super().start()

    def die_young(self, age_s: float) -> None:
        """Start it, and kill it after `age_s` seconds, wherever it is by then."""
        self._end_with_us()
        self._spawn()
        time.sleep(age_s)
        self.kill()

    async def started(self) -> None:
        """Start it from an event loop."""
        await asyncio.to_thread(self.start)

    async def stopped(self) -> None:
        """Stop it in good order from an event loop; raises ServerError when it does not end."""
        await asyncio.to_thread(self.stop)

    async def killed(self) -> None:
        """Kill it from an event loop."""
        await asyncio.to_thread(self.kill)

    def output(self) -> str:
        """Return all that it wrote, over restarts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return its log lines, or those of the event `name`; the half line of a kill left out."""
        found = []
        for line in self.output().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and name in (None, event.get("event")):
                found.append(event)
        return found

    def answers(self, path: str, expected: int = _OK) -> bool:
        """Return whether GET `path` is answered with that status now."""
        connection = HTTPConnection(self.host, self.port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == expected
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _binary(self) -> Binary:
        # Blank counts as unset: no setting of a developer's shell may leak in.
        unset = {str(each.validation_alias): "" for each in Settings.model_fields.values()}
        given = {
            "HOST": self.host,
            "PORT": str(self.port),
            "DATA_DIR": str(self._data),
            "PYTHONPATH": str(ROOT),
        }
        return Binary(Path(sys.executable), unset | given | self.environment)

    def _arguments(self, data: Path) -> list[str]:  # noqa: ARG002 -- DATA_DIR says it
        return ["-m", self.module]

    def _begin(
        self, binary: Binary, environment: dict[str, str], log: IO[bytes]
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        if not can_fork():
            return super()._begin(binary, environment, log)
        said = log.fileno()
        return warm(self.module).start(environment, self._folder, said, said)

    @property
    def _ready_line(self) -> bytes:
        return b"service_started"

    def wait_until_ready(self) -> None:
        """Return when updates can be sent to it; kills it and raises ServerError if that fails."""
        deadline = time.monotonic() + _READY_DEADLINE_S
        while not self.answers("/readyz"):
            if not self.running or time.monotonic() > deadline:
                report = self._report("does not serve updates")
                self.kill()
                raise ServerError(report)
            time.sleep(_POLL_S)
