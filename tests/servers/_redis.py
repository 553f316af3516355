"""A Redis server for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers import _binaries
from tests.servers._process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path


class RedisServer(ServerProcess):
    """Run redis-server; what was written is there again after a restart or a kill."""

    def __init__(self, folder: Path | None = None, *, password: str | None = None) -> None:
        super().__init__(folder)
        self.password = password

    @property
    def uri(self) -> str:
        credentials = f":{self.password}@" if self.password else ""
        return f"redis://{credentials}{self.host}:{self.port}/0"

    def forget_data(self) -> None:
        """Delete all that was written; it must not run."""
        for each in self._data.iterdir():
            each.unlink()

    def _binary(self) -> _binaries.Binary:
        return _binaries.redis_server()

    def _arguments(self, data: Path) -> list[str]:
        arguments = ["--bind", self.host, "--port", str(self.port), "--dir", str(data)]
        # Written before it is answered, which outlasts a kill; on a busy disk a sync takes seconds.
        arguments += ["--save", "", "--appendonly", "yes", "--appendfsync", "no"]
        if self.password:
            arguments += ["--requirepass", self.password]
        return arguments

    @property
    def _ready_line(self) -> bytes:
        return b"eady to accept connections"
