"""Open consoles: ask what the operators' page asks, at its pace, and time every answer.

A process of its own. Each console shows one view, as a browser does: the first the overview, the
second the live actors and a search among them, the third one order, the fourth follows the events;
then again. All of them ask for the alarms.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson
import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from scripts.bench.calls import order_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OK: Final = 200
_CALL_S: Final = 30.0


class Asked(NamedTuple):
    """A path, and after how many seconds it is asked for again."""

    path: str
    every_s: float


# As web/console/*.js do.
_ALWAYS: Final = (Asked("/api/alarms", 3.0),)
VIEWS: Final[Mapping[str, Sequence[Asked]]] = {
    "overview": (
        Asked("/api/actors/stats", 2.0),
        Asked("/api/workorder/queue/stats", 2.0),
        Asked("/api/nodes", 2.0),
        Asked("/api/actors/hot?n=5", 3.0),
        Asked("/api/history?minutes=60", 5.0),
        Asked("/api/workorder/queue/jobs?state=failed&pageSize=1", 5.0),
    ),
    "actors": (
        Asked("/api/actors?sort=depth&page=1&pageSize=50", 2.5),
        Asked("/api/actors?sort=rate&search=bench-00099&pageSize=50", 2.5),
        Asked("/api/actors?sort=depth&page={last}&pageSize=50", 2.5),
        Asked("/api/workorder/search?q=BENCH-00099&limit=20", 10.0),
    ),
    "order": (
        Asked("/api/workorder/detail/{order}", 2.5),
        Asked("/api/actors/{order}", 2.0),
        Asked("/api/workorder/quantity-logs/{order}?page=1&pageSize=20", 4.0),
        Asked("/api/workorder/queue/job-counts?workOrderId={order}", 5.0),
    ),
    "events": (),
}


class Consoles:
    """Consoles that are open until `end` (of the loop's clock), and how long each answer took."""

    def __init__(self, http: ClientSession, actors: int, end: float) -> None:
        self._http, self._actors, self._end = http, actors, end
        self.took_s: dict[str, list[float]] = {}
        self.events_bytes = 0
        self.problems: list[str] = []

    async def run(self, count: int) -> None:
        """Keep `count` consoles open."""
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                view = tuple(VIEWS)[number % len(VIEWS)]
                if view == "events":
                    group.create_task(self._follow())
                for asked in (*VIEWS[view], *_ALWAYS):
                    group.create_task(self._poll(asked, number))

    async def _poll(self, asked: Asked, number: int) -> None:
        path = asked.path.format(order=order_id(number), last=max(1, self._actors // 50))
        times = self.took_s.setdefault(asked.path, [])
        loop = asyncio.get_running_loop()
        while loop.time() < self._end:
            started = time.perf_counter()
            async with self._http.get(path) as reply:
                await reply.read()
            times.append(time.perf_counter() - started)
            if reply.status != _OK:
                self.problems.append(f"{path}: {reply.status}")
            await asyncio.sleep(max(0.0, min(asked.every_s, self._end - loop.time())))

    async def _follow(self) -> None:
        """Read the events, and throw them away."""
        whole = ClientTimeout(total=None)
        try:
            async with (
                asyncio.timeout_at(self._end),
                self._http.get("/api/events", timeout=whole) as reply,
            ):
                async for chunk in reply.content.iter_any():
                    self.events_bytes += len(chunk)
        except TimeoutError:
            return
        self.problems.append("/api/events: it ended")


def _times_ms(took_s: Sequence[float]) -> dict[str, float]:
    ascending = sorted(took_s)
    at = {"median": len(ascending) // 2, "p99": len(ascending) * 99 // 100, "longest": -1}
    return {name: round(ascending[index] * 1000, 1) for name, index in at.items()}


async def _run(args: argparse.Namespace) -> dict[str, object]:
    end = asyncio.get_running_loop().time() + args.seconds
    async with ClientSession(
        args.url, connector=TCPConnector(limit=0), timeout=ClientTimeout(total=_CALL_S)
    ) as http:
        consoles = Consoles(http, args.actors, end)
        await consoles.run(args.consoles)
    return {
        "consoles": args.consoles,
        "seconds": args.seconds,
        "events_bytes": consoles.events_bytes,
        "answers": {
            path: {"count": len(took_s), **_times_ms(took_s)}
            for path, took_s in consoles.took_s.items()
        },
        "problems": sorted(set(consoles.problems)),
    }


def main(argv: Sequence[str]) -> int:
    """Keep consoles open and write what they saw; 1 when an answer was not 200."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench consoles",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT of the service")
    parser.add_argument("--consoles", type=int, default=4)
    parser.add_argument("--actors", type=int, default=100_000, help="for the number of pages")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, help="write the result (JSON) here, not to stdout")
    args = parser.parse_args(argv)
    result = uvloop.run(_run(args))
    encoded = orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n"
    if args.out is None:
        sys.stdout.buffer.write(encoded)
    else:
        args.out.write_bytes(encoded)
    return 1 if result["problems"] else 0
