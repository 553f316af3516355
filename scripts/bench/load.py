"""A load generator: each connection sends its next call when it has its answer, and it is due.

A process of its own, on raw asyncio protocols: an HTTP client library would take the core that
the service under measurement needs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import sys
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import orjson
import uvloop

from scripts.bench.calls import Call, CallSource, Shape, order_id
from scripts.bench.wire import Answer, UnreadableAnswerError, parse_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

_OK = 200
_GRACE_S = 35.0
"""How long answers may still come after the last call: beyond the service's own deadline."""
_AFTER_REFUSAL_S = 0.05
"""A refused caller pauses, or refusals would be counted instead of work."""
_OPEN_AT_ONCE = 32
"""Connections opened together: more could overflow the listener's backlog."""
_RECONNECTS = 3
_PERCENTILES = (50, 95, 99)


@dataclass(slots=True)
class Tally:
    """What came back; `by_order` holds acknowledged [input, output] quantities."""

    by_order: list[list[int]]
    sent: int = 0
    acknowledged: int = 0
    unknown: int = 0
    measured: int = 0
    reply_bytes: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    latencies_s: array[float] = field(default_factory=lambda: array("d"))


class Load:
    """Keep `connections` connections busy from start() until the measured time is over."""

    def __init__(
        self,
        source: CallSource,
        orders: int,
        *,
        warmup_s: float,
        seconds: float,
        per_second: float | None = None,
    ) -> None:
        self.source = source
        self._per_second = per_second
        self._turns = 0
        self.tally = Tally([[0, 0] for _ in range(orders)])
        self._warmup_s = warmup_s
        self._seconds = seconds
        self._from = self._until = float("inf")
        self._open: set[Connection] = set()
        self._done = asyncio.Event()
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._address = ("", 0)
        self.problem: str | None = None

    @property
    def over(self) -> bool:
        """Return whether no more calls may be sent."""
        return time.perf_counter() >= self._until or self.problem is not None

    async def run(self, host: str, port: int, connections: int) -> None:
        """Connect, load, then wait for the answers still under way (at most 35 s)."""
        self._address = (host, port)
        for start in range(0, connections, _OPEN_AT_ONCE):
            count = min(_OPEN_AT_ONCE, connections - start)
            await asyncio.gather(*(self._connect(_RECONNECTS) for _ in range(count)))
        self._from = time.perf_counter() + self._warmup_s
        self._until = self._from + self._seconds
        for connection in tuple(self._open):
            connection.take_turn()
        limit_s = self._warmup_s + self._seconds + _GRACE_S
        try:
            async with asyncio.timeout(limit_s):
                await self._done.wait()
        except TimeoutError:
            for connection in tuple(self._open):
                connection.abandon()

    async def _connect(self, reconnects: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Connection(self, reconnects), *self._address)

    def opened(self, connection: Connection) -> None:
        """Count a new connection; one opened while the load runs starts at once."""
        self._open.add(connection)
        if self._until != float("inf"):
            connection.take_turn()

    def next_turn_s(self) -> float:
        """Return how many seconds from now the next call is to be sent: 0 without a pace."""
        if self._per_second is None:
            return 0.0
        self._turns += 1
        due = self._from - self._warmup_s + self._turns / self._per_second
        return max(0.0, due - time.perf_counter())

    def closed(self, connection: Connection, reconnects: int) -> None:
        """Replace a connection lost during the run; end the run with the last one."""
        self._open.discard(connection)
        if not self.over and reconnects > 0:
            task = asyncio.get_running_loop().create_task(self._connect(reconnects - 1))
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnected)
        elif not self._open and not self._reconnecting:
            self._done.set()

    def _reconnected(self, task: asyncio.Task[None]) -> None:
        self._reconnecting.discard(task)
        error = task.exception()
        if error is not None:
            self.problem = self.problem or f"could not reconnect: {error}"
            if not self._open and not self._reconnecting:
                self._done.set()

    def answered(self, call: Call | None, sent_at: float, answer: Answer) -> bool:
        """Count one answer; return whether it acknowledged the update."""
        now = time.perf_counter()
        if call is None:
            raise UnreadableAnswerError(answer)
        body = orjson.loads(answer.body)
        success = body.get("success") is True
        tally = self.tally
        tally.answers[f"{answer.status} {body.get('code', '-')} success={success}"] += 1
        if answer.status != _OK or not success:
            return False
        tally.acknowledged += 1
        tally.reply_bytes += len(answer.body)
        tally.by_order[call.order][call.is_output] += 1
        if self._from <= now < self._until:
            tally.measured += 1
            tally.latencies_s.append(now - sent_at)
        return True


class Connection(asyncio.Protocol):
    """One caller: at most one call under way."""

    __slots__ = ("_buffer", "_call", "_load", "_reconnects", "_sent_at", "_transport")

    def __init__(self, load: Load, reconnects: int) -> None:
        """Belong to `load`; may be replaced `reconnects` times."""
        self._load = load
        self._reconnects = reconnects
        self._call: Call | None = None
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report for duty."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._load.opened(self)

    def take_turn(self) -> None:
        """Send the next call when it is due."""
        wait_s = self._load.next_turn_s()
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self.send)
        else:
            self.send()

    def send(self) -> None:
        """Send the next call, or close when the run is over."""
        if self._transport.is_closing():
            return
        if self._load.over:
            self._transport.close()
            return
        self._call = call = self._load.source.next()
        self._load.tally.sent += 1
        self._sent_at = time.perf_counter()
        self._transport.write(call.payload)

    def data_received(self, data: bytes) -> None:
        """Count a complete answer and go on."""
        data = self._buffer + data if self._buffer else data
        try:
            answer = parse_answer(data)
            if answer is None:
                self._buffer = data
                return
            acknowledged = self._load.answered(self._call, self._sent_at, answer)
        except (UnreadableAnswerError, ValueError, AttributeError) as error:
            self._load.problem = f"unreadable answer: {error!r}"
            self._transport.abort()
            return
        self._buffer = b""
        self._call = None
        if acknowledged:
            self.take_turn()
        else:
            asyncio.get_running_loop().call_later(_AFTER_REFUSAL_S, self.send)

    def abandon(self) -> None:
        """Give up waiting for an answer."""
        self._transport.abort()
        if self._call is not None:
            self._load.tally.unknown += 1
            self._call = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Count the call under way as unknown: it may have been applied."""
        if self._call is not None:
            self._load.tally.unknown += 1
            self._call = None
        self._load.closed(self, self._reconnects)


def _latency_ms(latencies_s: array[float]) -> dict[str, float]:
    if not latencies_s:
        return {}
    ordered = sorted(latencies_s)
    at = {f"p{p}": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in _PERCENTILES}
    return {name: round(value * 1000, 2) for name, value in (at | {"max": ordered[-1]}).items()}


def _result(load: Load, args: argparse.Namespace) -> dict[str, object]:
    tally = load.tally
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "connections": args.connections,
        "orders": args.orders,
        "seconds": args.seconds,
        "warmup_s": args.warmup,
        "keyed": args.keyed,
        "scan": args.scan,
        "per_second": round(tally.measured / args.seconds, 1),
        "measured": tally.measured,
        "latency_ms": _latency_ms(tally.latencies_s),
        "sent": tally.sent,
        "acknowledged": tally.acknowledged,
        "unknown": tally.unknown,
        "answers": dict(tally.answers.most_common()),
        "reply_bytes": round(tally.reply_bytes / max(1, tally.acknowledged)),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "problem": load.problem or (None if tally.measured else "nothing was acknowledged"),
        "acknowledged_by_order": tally.by_order,
    }


async def _run(args: argparse.Namespace) -> dict[str, object]:
    url = urlsplit(args.url)
    if url.hostname is None or url.port is None:
        message = f"--url needs a host and a port: {args.url}"
        raise SystemExit(message)
    ids = [order_id(index) for index in range(args.first_order, args.first_order + args.orders)]
    shape = Shape(keyed=args.keyed, scan=args.scan)
    source = CallSource(url.netloc, ids, shape, run=args.run_id or f"{time.time_ns():x}")
    load = Load(
        source,
        args.orders,
        warmup_s=args.warmup,
        seconds=args.seconds,
        per_second=args.per_second,
    )
    # What exists now lives as long as the process; collections need not walk it.
    gc.collect()
    gc.freeze()
    await load.run(url.hostname, url.port, args.connections)
    return _result(load, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench load", description=__doc__)
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT of the service")
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--orders", type=int, default=1000, help="how many orders to spread over")
    parser.add_argument("--first-order", type=int, default=0, help="number of the first order")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds before it")
    parser.add_argument("--per-second", type=float, help="a steady pace (default: closed loop)")
    parser.add_argument("--keyed", action="store_true", help="send a requestId with each call")
    parser.add_argument("--scan", action="store_true", help="send first-step scans only")
    parser.add_argument("--run-id", help="prefix of barcodes and keys (default: the time)")
    parser.add_argument("--out", type=Path, help="write the result (JSON) here, not to stdout")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the load and write its result; 1 when the answers could not be read."""
    args = _parser().parse_args(argv)
    try:
        result = uvloop.run(_run(args))
    except OSError as error:
        sys.stderr.write(f"cannot connect to {args.url}: {error}\n")
        return 1
    encoded = orjson.dumps(result) + b"\n"
    if args.out is None:
        sys.stdout.buffer.write(encoded)
    else:
        args.out.write_bytes(encoded)
    return 0 if result["problem"] is None else 1
