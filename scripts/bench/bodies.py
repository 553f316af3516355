"""Measure how long one request's body keeps the event loop from all others.

Each body is handed to the handler of batches, of a node on a store in memory. Beside it a task
takes every turn that it can get: the longest time between two of its turns, in CPU time of the
loop's thread, is what another request would have waited at most.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import logging
import sys
import time
import zlib
from typing import TYPE_CHECKING, Final

import orjson
import structlog
import uvloop
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from actors.domain.model import Trace
from tests.fake_lease import LeaseServer
from tests.fakes import MemoryStore
from tests.unit.actors.owner import order_number
from tests.unit.web.served import Served, served
from web.app_context import CALL, CONTEXT, Call, Language
from web.routes.updates import batch_update_quantity
from web.tracing.port import UNTRACED
from web.wire.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

_MEGABYTE: Final = 2**20
_ORDERS: Final = 100
_ITEMS: Final = 1_000
_CONTEXT: Final = {
    "relatedBarcode": "SN0001",
    "barcodeOperation": "MANUAL_ADJUST",
    "processStepId": "a" * 24,
    "processName": "贴片: 第二道",
    "operatorName": "李雷",
    "reason": "r" * 300,
    "remark": "x" * 200,
    "ipAddress": "10.0.0.1",
    "isAutomatic": False,
    "source": "DEVICE",
}


def _batch(**more: object) -> bytes:
    items = [
        {"workOrderId": order_number(1 + index % _ORDERS), "type": "input", **more}
        for index in range(_ITEMS)
    ]
    return orjson.dumps({"updates": items})


def _filled(start: bytes, piece: bytes, end: bytes, size: int = _MEGABYTE - 100) -> bytes:
    return start + piece * (size // len(piece)) + end


def _kinds(bomb_bytes: int) -> Mapping[str, tuple[str, bytes]]:
    """Return name → content encoding and body."""
    full = _batch(logContext=_CONTEXT)
    bomb = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    zeros = b"".join(bomb.compress(bytes(_MEGABYTE)) for _ in range(bomb_bytes // _MEGABYTE))
    lists = _filled(b'{"a":[', b"[],", b"0]}", 149_000)
    item = _filled(b'{"updates":[{"a":[', b"[],", b"0]}]}", 149_000)
    return {
        "1,000 small items": ("", _batch()),
        "1,000 full items": ("", full),
        "... with gzip": ("gzip", gzip.compress(full)),
        "... cut short": ("", full[:-2]),
        "... a field twice": ("", full[:-2] + b',{"a":1,"a":1}]}'),
        "[[],[],... 1 MB": ("", _filled(b"[", b"[],", b"[]]")),
        "[[[[... 1 MB": ("", b"[" * (_MEGABYTE - 1)),
        "[],[],... all tokens": ("", lists),
        "... in one item": ("", item),
        "one text, 1 MB": ("", _filled(b'{"updates":[{"a":"', b"a", b'"}]}')),
        "one text of escapes": ("", _filled(b'{"updates":[{"a":"', b"\\n", b'"}]}')),
        "gzip of gigabytes": ("gzip", zeros + bomb.flush()),
        "gzip cut short": ("gzip", gzip.compress(full)[:-9]),
        "br": ("br", full),
    }


def _request(here: Served, encoding: str, body: bytes) -> web.Request:
    loop = asyncio.get_running_loop()
    app = here.runner.app
    protocol = make_mocked_request("GET", "/").protocol
    payload = StreamReader(protocol, len(body) + 1, loop=loop)
    payload.feed_data(body)
    payload.feed_eof()
    headers = {"Content-Encoding": encoding} if encoding else {}
    request = make_mocked_request("POST", "/", headers, payload=payload, app=app)
    request._client_max_size = 2 * _MEGABYTE  # noqa: SLF001 -- the application's is not taken over
    work = UNTRACED.serve("POST", "/", "", "")
    request[CALL] = Call(app[CONTEXT], Trace("bench", ""), Language.ENGLISH, work, "/")
    return request


async def _answer(request: web.Request) -> str:
    try:
        return str((await batch_update_quantity(request)).status)
    except RequestError as error:
        return f"{error.problem.status} {error.problem.text}"


async def _measure(here: Served, encoding: str, body: bytes) -> tuple[float, float, str]:
    """Return the longest turn and the sum of all, in seconds of the thread, and the answer."""
    longest = 0.0
    request = _request(here, encoding, body)
    began = before = time.thread_time()
    answering = asyncio.ensure_future(_answer(request))
    while not answering.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest, before - began, await answering


async def _run(bomb_bytes: int, rounds: int) -> None:
    store = MemoryStore()
    for number in range(1, _ORDERS + 1):
        store.put(order_number(number))
    sys.stdout.write("| body | bytes | answer | loop held, ms | CPU in all, ms |\n")
    sys.stdout.write("|---|--:|---|--:|--:|\n")
    async with served(store, LeaseServer(600.0), "bench") as here:
        for name, (encoding, body) in _kinds(bomb_bytes).items():
            # Of some rounds the one in which the machine did least besides.
            found = [await _measure(here, encoding, body) for _ in range(rounds)]
            held, total, answer = min(found)
            sys.stdout.write(
                f"| {name} | {len(body):,} | {answer} | {held * 1e3:.1f} | {total * 1e3:.1f} |\n"
            )


def main(argv: Sequence[str]) -> int:
    """Print a row for each kind of body."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench bodies", description=__doc__)
    parser.add_argument("--bomb-bytes", type=int, default=2**30, help="that gzip unpacks to")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    uvloop.run(_run(args.bomb_bytes, args.rounds))
    return 0
