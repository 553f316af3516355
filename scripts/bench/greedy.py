"""Be greedy in one way after the other, beside steady updates, and see what it costs the others.

For each kind of greed a fresh node on SQLite is a process of its own, holds an order with a large
log, and is sent updates at a steady pace by a load generator, while one client takes all that it
can. Printed are the updates' p99, those that were not acknowledged, the node's changes of owner,
its peak memory, and how many probes on fresh connections got no answer.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import uvloop
from aiohttp import ClientError, ClientSession, ClientTimeout

from scripts.bench import embedded
from scripts.bench.calls import order_id
from scripts.bench.greedy_kinds import KINDS, Target
from scripts.bench.processes import (
    ChildFailedError,
    child,
    cpu_s,
    exit_on_sigterm,
    wait_until_ready,
)
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
    from subprocess import Popen

_WARMUP_S: Final = 2.0
_PROBE_EVERY_S: Final = 0.5
_PROBE_S: Final = 2.0
_TEXTS: Final = (
    "relatedBarcode",
    "processName",
    "processCode",
    "operatorId",
    "operatorName",
    "reason",
    "remark",
    "ipAddress",
    "userAgent",
)
_TEXT: Final = "\U0001f529" * 2_000
_OK: Final = 200
_P99_MS: Final = 250.0
_MEMORY_MB: Final = 512.0


@dataclass(frozen=True, slots=True)
class Found:
    """What one kind of greed cost the others."""

    kind: str
    updates: int
    p99_ms: float
    longest_ms: float
    not_acknowledged: int
    owner_changes: int
    peak_mb: float
    cores: float
    """CPU seconds per second of the node."""
    probes: int
    probes_lost: int
    ended: bool
    """Whether the node was gone at the end."""

    @property
    def good(self) -> bool:
        """Return whether the others noticed nothing that they should not."""
        return (
            self.p99_ms <= _P99_MS
            and self.peak_mb <= _MEMORY_MB
            and not (self.not_acknowledged or self.owner_changes or self.probes_lost or self.ended)
        )


class Probes:
    """Asks for /livez again and again, each time on a fresh connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.sent = self.lost = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            self.sent += 1
            timeout = ClientTimeout(total=_PROBE_S)
            try:
                async with ClientSession(self._url, timeout=timeout) as http:
                    self.lost += (await http.get("/livez")).status != _OK
            except (ClientError, OSError):  # TimeoutError is an OSError
                self.lost += 1
            await asyncio.sleep(_PROBE_EVERY_S)


async def _fill(url: str, order: str, entries: int) -> None:
    """Give `order` a log of so many entries, each as large as a caller can make it."""
    context = dict.fromkeys(_TEXTS, _TEXT)
    async with ClientSession(url) as http:
        for _ in range(entries):
            body = {"workOrderId": order, "type": "input", "logContext": context}
            async with http.post("/api/workorder/update-quantity", json=body) as reply:
                if reply.status != _OK:
                    raise SystemExit(f"the log can't be filled: {await reply.text()}")


@contextmanager
def _greedy(name: str, target: Target) -> Iterator[None]:
    """Be greedy meanwhile, in a process of its own, which must not slow down what is measured."""
    process = get_context("spawn").Process(target=_take_all, args=(name, target), daemon=True)
    process.start()
    try:
        yield
        if process.exitcode is not None:
            raise SystemExit(f"{name} ended with status {process.exitcode}")
    finally:
        process.kill()
        process.join()


def _take_all(name: str, target: Target) -> None:
    uvloop.run(KINDS[name](target))


def _stepped_down(log: Path) -> int:
    """Count how often the node that wrote `log` gave up being the owner."""
    return log.read_bytes().count(b'"stepped_down"')


def _peak_mb(pid: int) -> float:
    """Return the most memory that process `pid` had, in MB; 0 where /proc does not tell."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


async def _beside_updates(
    name: str, target: Target, node: Popen[bytes], args: argparse.Namespace
) -> Found:
    """Run the load; be greedy from its end of warm-up to its last answer."""
    scratch: Path = args.scratch
    out = scratch / f"{name}.json"
    options = {
        "--url": target.url,
        "--orders": args.orders,
        "--connections": 32,
        "--seconds": args.seconds,
        "--warmup": _WARMUP_S,
        "--per-second": args.per_second,
        "--out": out,
    }
    given = [str(part) for option in options.items() for part in option]
    probes = Probes(target.url)
    log = scratch / f"{name}-load.log"
    with child(["-m", "scripts.bench", "load", *given], log) as load:
        await asyncio.sleep(_WARMUP_S)
        used_s, began = cpu_s(node.pid), time.monotonic()
        with _greedy(name, target):
            async with _running(probes.run()):
                await asyncio.to_thread(load.wait, args.seconds + 60)
        cores = (cpu_s(node.pid) - used_s) / (time.monotonic() - began)
    if not out.exists():
        raise ChildFailedError(f"load ended with status {load.returncode}", log)
    result: dict[str, Any] = orjson.loads(out.read_bytes())
    return Found(
        kind=name,
        updates=result["measured"],
        p99_ms=result["latency_ms"].get("p99", float("inf")),
        longest_ms=result["latency_ms"].get("max", float("inf")),
        not_acknowledged=result["sent"] - result["acknowledged"],
        owner_changes=_stepped_down(scratch / name / "node.log"),
        peak_mb=round(_peak_mb(node.pid)),
        cores=round(cores, 2),
        probes=probes.sent,
        probes_lost=probes.lost,
        ended=node.poll() is not None,
    )


@asynccontextmanager
async def _running(*works: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Have them run meanwhile; raises what one of them raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


def _measure(name: str, args: argparse.Namespace) -> Found:
    directory: Path = args.scratch / name
    directory.mkdir()
    embedded.seed(directory, args.orders + 1)
    port, log = free_port(), directory / "node.log"
    environment = {"PORT": str(port), "DATA_DIR": str(directory / "data")}
    with child(["-m", "web"], log, environment) as node:
        wait_until_ready(node, port, log)
        # The load's own orders come before it.
        target = Target("127.0.0.1", port, order_id(args.orders))
        asyncio.run(_fill(target.url, target.order, args.entries))
        return asyncio.run(_beside_updates(name, target, node, args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench greedy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("kinds", nargs="*", metavar="kind", help=f"default: all ({', '.join(KINDS)})")
    add("--seconds", type=float, default=30.0, help="of greed (default 30)")
    add("--per-second", type=float, default=100.0, help="updates (default 100)")
    add("--orders", type=int, default=100, help="that are updated (default 100)")
    add("--entries", type=int, default=720, help="of the large log, 72 kB each (default 720)")
    add("--out", type=Path, help="write all figures here as JSON")
    return parser


def _line(found: Found | None = None) -> str:
    names = [field.name for field in fields(Found)]
    cells = names if found is None else [str(getattr(found, name)) for name in names]
    rest = "" if found is None or found.good else "  TOO MUCH"
    return f"{cells[0]:<16}" + "".join(f"{cell:>17}" for cell in cells[1:]) + rest


def main(argv: Sequence[str]) -> int:
    """Measure and print; 1 when some kind of greed cost the others too much."""
    parser = _parser()
    args = parser.parse_args(argv)
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    exit_on_sigterm()
    found = []
    print(_line())
    try:
        with ExitStack() as stack:
            args.scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            for name in dict.fromkeys(args.kinds or KINDS):
                found.append(_measure(name, args))
                print(_line(found[-1]), flush=True)
    except ChildFailedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if args.out is not None:
        figures = [asdict(each) for each in found]
        args.out.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    return 0 if all(each.good for each in found) else 1
