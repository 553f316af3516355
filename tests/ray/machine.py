"""One machine of a Ray cluster that takes shards: its processes here, its logs, how it fails."""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.proxy import Wire

_ROOT: Final = Path(__file__).resolve().parents[2]
_WANTED: Final = ("shard_process_started", "stepped_down")
"""Of thousands of lines of updates."""


class Machine:
    """A raylet with the shards' processes under it, and a wire of its own to Redis."""

    def __init__(
        self,
        cluster: Any,  # noqa: ANN401 -- Ray's classes have no useful types
        folder: Path,
        wire: Wire,
        environment: Mapping[str, str],
    ) -> None:
        self._cluster, self.wire = cluster, wire
        folder.mkdir()
        self._logs = _Logs(folder)
        self._environment = {
            **environment,
            "PYTHONPATH": str(_ROOT),
            "REDIS_PORT": str(wire.port),
            "LOG_FILE": str(folder / "log.jsonl"),
            # One that is put aside would be read twice.
            "LOG_FILE_MB": "1000",
        }
        self._node: Any = None

    def start(self) -> None:
        """Join the cluster, as a machine that it has not seen before.

        On the main thread: Ray sets handlers of signals here.
        """
        self._node = self._cluster.add_node(
            num_cpus=0, resources={"shard": 4}, env_vars=self._environment
        )

    def kill(self) -> None:
        """End it as a power cut does; a raylet that is not reaped would keep its workers."""
        raylet = self._raylet()
        raylet.kill()
        raylet.wait()
        self._forget()

    def freeze(self) -> list[int]:
        """Stop all its processes where they stand; give their ids."""
        pids = [self._raylet().pid, *_descendants(self._raylet().pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids

    def thaw(self, pids: list[int]) -> None:
        """Let them go on: Ray has given the machine up meanwhile, and the raylet ends itself."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def end_thawed(self, within_s: float) -> None:
        """Wait until the raylet has ended; raises `subprocess.TimeoutExpired`."""
        self._raylet().wait(within_s)
        self._forget()

    def is_given_up(self) -> bool:
        """Return whether the cluster takes this machine for lost."""
        return self._node.node_id not in self._cluster.global_state._live_node_ids()  # noqa: SLF001

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what its shards logged under `name`, one of the few that are kept."""
        return self._logs.read()[name]

    def started(self, process: str) -> dict[str, Any]:
        """Return the event of the last start of a process here; empty where there was none."""
        found = [each for each in self.events(_WANTED[0]) if each["name"] == process]
        return max(found, key=lambda event: event["timestamp"], default={})

    def fenced(self) -> int:
        """Count the owners here that learnt from the store that a later epoch owns the orders."""
        return sum("epoch" in each["reason"] for each in self.events(_WANTED[1]))

    def _raylet(self) -> Any:  # noqa: ANN401 -- a Popen
        return self._node.all_processes["raylet"][0].process

    def _forget(self) -> None:
        self._cluster.remove_node(self._node, allow_graceful=False)


class _Logs:
    """The logs of a machine's shards, of which each line is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = defaultdict(int)
        self._found: dict[str, list[dict[str, Any]]] = {name: [] for name in _WANTED}

    def read(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return the wanted events by name, those of one process in their order."""
        for path in self._folder.glob("log.*.jsonl"):
            with path.open("rb") as file:
                file.seek(self._read[path])
                *lines, _half = file.read().split(b"\n")
            self._read[path] += sum(len(line) + 1 for line in lines)
            for line in lines:
                self._note(line)
        return self._found

    def _note(self, line: bytes) -> None:
        if any(name.encode() in line for name in _WANTED):
            event = json.loads(line)
            self._found.get(event["event"], []).append(event)


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from _descendants(child)
