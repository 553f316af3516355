"""A load generator: each connection sends its next call when it has its answer, and it is due.

A process of its own, on raw asyncio protocols: an HTTP client library would take the core that
the service under measurement needs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import orjson
import uvloop

from scripts.bench.calls import SPREADS, Call, CallSource, Shape, order_id
from scripts.bench.tally import Tally, result
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
        self._source = source
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

    def next_call(self) -> Call | None:
        """Return the next call, None when the run is over; without calls left it is over."""
        if self.over:
            return None
        call = self._source.next()
        if call is None:
            self._until = time.perf_counter()
        return call

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
        self.tally.measured_s = max(0.0, self._until - self._from)

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
        done = call.updates
        items = body["data"].get("results") if done else None
        if items is not None:
            pairs = zip(done, items, strict=True)
            done = tuple(update for update, item in pairs if item["success"])
        count = len(done) if call.updates else 1
        tally.acknowledged += count
        tally.reply_bytes += len(answer.body)
        for order, is_output in done:
            tally.by_order[order][is_output] += 1
        if self._from <= now < self._until:
            tally.measured += count
            tally.latencies_s.append(now - sent_at)
        if len(done) == len(call.updates):
            self._source.acknowledged(call)
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
        self._call = call = self._load.next_call()
        if call is None:
            self._transport.close()
            return
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
        except (UnreadableAnswerError, ValueError, AttributeError, LookupError) as error:
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
            self._load.tally.unknown += len(self._call.updates)
            self._call = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Count the call under way as unknown: it may have been applied."""
        if self._call is not None:
            self._load.tally.unknown += len(self._call.updates)
            self._call = None
        self._load.closed(self, self._reconnects)


async def _run(args: argparse.Namespace) -> dict[str, Any]:
    url = urlsplit(args.url)
    if url.hostname is None or url.port is None:
        message = f"--url needs a host and a port: {args.url}"
        raise SystemExit(message)
    ids = [order_id(index) for index in range(args.orders)]
    shape = shape_of(args)
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
    cpu_from = time.process_time()
    await load.run(url.hostname, url.port, args.connections)
    return result(load.tally, args, shape, cpu_from=cpu_from, problem=load.problem)


def shape_of(args: argparse.Namespace) -> Shape:
    """Return the shape of the calls that the options ask for."""
    return Shape(**{each.name: getattr(args, each.name) for each in fields(Shape)})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a load, however it is made."""
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--orders", type=int, default=1000, help="how many orders to spread over")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds before it")
    parser.add_argument("--spread", choices=SPREADS, default="even", help="over the orders")
    parser.add_argument("--batch", type=int, default=1, help="updates of one call (default 1)")
    parser.add_argument("--keyed", action="store_true", help="send a requestId with each update")
    parser.add_argument("--repeated", type=float, default=0.0, help="share of repeated calls")
    parser.add_argument("--scan", action="store_true", help="send first-step scans only")
    parser.add_argument("--read", action="store_true", help="read orders and logs instead")
    parser.add_argument("--run-id", help="prefix of barcodes and keys (default: the time)")
    parser.add_argument("--out", type=Path, help="write the result (JSON) here, not to stdout")


def write(figures: dict[str, Any], out: Path | None) -> int:
    """Write a run's figures as JSON; return 1 when it had a problem."""
    encoded = orjson.dumps(figures) + b"\n"
    if out is None:
        sys.stdout.buffer.write(encoded)
    else:
        out.write_bytes(encoded)
    return 0 if figures["problem"] is None else 1


def main(argv: Sequence[str]) -> int:
    """Run the load and write its result; 1 when the answers could not be read."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench load", description=__doc__)
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT of the service")
    parser.add_argument("--per-second", type=float, help="a steady pace (default: closed loop)")
    add_arguments(parser)
    args = parser.parse_args(argv)
    try:
        figures = uvloop.run(_run(args))
    except OSError as error:
        sys.stderr.write(f"cannot connect to {args.url}: {error}\n")
        return 1
    return write(figures, args.out)
