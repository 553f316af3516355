"""The calls the main service makes, as complete HTTP/1.1 requests, each one different."""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATH: Final = "/api/workorder/update-quantity"
BATCH_PATH: Final = "/api/workorder/batch-update-quantity"
DETAIL_PATH: Final = "/api/workorder/detail/"
LOGS_PATH: Final = "/api/workorder/quantity-logs/"
QUANTITY: Final = 1
SPREADS: Final = ("even", "zipf", "once")
STEPS: Final = 4
_FIRST_ORDER = 0xBE0C_0000_0000_0000_0000_0000
_REMEMBERED = 1_000
"""Acknowledged calls of which one may be repeated."""
# Stand-ins of the width of what replaces them, so that every body of a template has one
# length and a request is one bytes-formatting.
_ORDER_MARK = "@" * 24
_NUMBER_MARK = "#" * 10


def order_id(index: int) -> str:
    """Return the id of the bench's order number `index`, 24 lower-case hex digits."""
    return f"{_FIRST_ORDER + index:024x}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the calls look like."""

    spread: str = "even"
    """Over the orders: evenly at random, at random by Zipf's law, or each of them once."""
    batch: int = 1
    """Updates that one call carries."""
    keyed: bool = False
    """Send a `requestId` of its own with every update."""
    repeated: float = 0.0
    """Share of the calls that repeat an acknowledged one, key and all."""
    scan: bool = False
    """First-step scans only, which makes the service look for an earlier scan."""
    read: bool = False
    """Read orders and the newest pages of their logs, in turns; change nothing."""

    def words(self) -> list[str]:
        """Say what is unlike the default."""
        said = {
            "zipf": self.spread == "zipf",
            "each once": self.spread == "once",
            f"batches of {self.batch:,}": self.batch > 1,
            "keyed": self.keyed and not self.repeated,
            f"{self.repeated:.0%} repeated": self.repeated > 0,
            "scans": self.scan,
            "reads": self.read,
        }
        return [words for words, holds in said.items() if holds]


class Call(NamedTuple):
    """One request and what it will have changed once it is acknowledged."""

    payload: bytes
    updates: tuple[tuple[int, bool], ...]
    """Of each: the position among the orders called, from 0, and whether it is an output. Empty
    for what changes nothing."""


def picker(spread: str, count: int, source: random.Random) -> Callable[[], int | None]:
    """Return what picks the next of `count` orders; None when each was picked that may be."""
    if spread == "once":
        order = list(range(count))
        source.shuffle(order)
        left = iter(order)
        return lambda: next(left, None)
    if spread == "zipf":
        bounds = list(accumulate(1 / rank for rank in range(1, count + 1)))
        return lambda: min(count - 1, bisect_right(bounds, source.random() * bounds[-1]))
    return lambda: int(source.random() * count)


def log_context(step: int, barcode: str, *, scan: bool) -> dict[str, object]:
    """Return what a terminal of the shop floor says about a change."""
    return {
        "relatedBarcode": barcode,
        "barcodeOperation": "SCAN_PROCESS" if scan else "SCAN_BATCH_DOC",
        "processStepId": f"5f0c{step:020x}",
        "processName": f"组装工序{step}",
        "processCode": f"ASM-{step:02d}",
        "operatorId": f"64b7{step:020x}",
        "operatorName": "张伟",
        "ipAddress": "192.168.10.21",
        "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) MES-Terminal/2.4",
        "isAutomatic": True,
        "source": "DEVICE",
        "reason": "首道工序扫码投入" if scan else "批次扫码",
        "remark": "",
    }


def _head(host: str, method: str, path: str, length: int | None = None) -> bytes:
    body = (
        "" if length is None else f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
    )
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
        "Accept: application/json, text/plain, */*\r\nUser-Agent: axios/1.7.7\r\n"
        f"{body}Connection: keep-alive\r\n\r\n"
    ).encode()


def _item(step: int, *, output: bool, shape: Shape, run: str) -> bytes:
    body: dict[str, object] = {
        "workOrderId": _ORDER_MARK,
        "type": "output" if output else "input",
        "quantity": QUANTITY,
        "logContext": log_context(step, f"SN{run}{_NUMBER_MARK}", scan=shape.scan),
    }
    if shape.keyed:
        body["requestId"] = f"{run}-{_NUMBER_MARK}"
    return orjson.dumps(body)


def _template(text: bytes) -> bytes:
    marked = text.replace(b"%", b"%%").replace(_ORDER_MARK.encode(), b"%(order)b")
    return marked.replace(_NUMBER_MARK.encode(), b"%(number)010d")


class CallSource:
    """Make calls for `orders` (ids), the same for the same seed."""

    def __init__(
        self, host: str, orders: Sequence[str], shape: Shape, *, run: str, seed: int = 2
    ) -> None:
        """Prepare templates; `run` (plain ASCII) keeps barcodes and keys apart between runs."""
        kinds = (False,) if shape.scan else (False, True)
        items = [
            (_item(step, output=output, shape=shape, run=run), output)
            for step in range(STEPS)
            for output in kinds
        ]
        self._items = [(_template(item), output) for item, output in items]
        self._calls = [
            (_template(_head(host, "POST", PATH, len(item)) + item), output)
            for item, output in items
        ]
        self._reads = [
            _template(_head(host, "GET", path + _ORDER_MARK)) for path in (DETAIL_PATH, LOGS_PATH)
        ]
        self._host, self._shape = host, shape
        self._orders = [order.encode() for order in orders]
        self._random = random.Random(seed)  # noqa: S311  spreads load, guards nothing
        self._pick = picker(shape.spread, len(orders), self._random)
        self._acknowledged: list[bytes] = []
        self._number = 0

    def next(self) -> Call | None:
        """Return the next call, barcodes and keys new unless it repeats one; None at the end."""
        shape = self._shape
        if shape.repeated and self._acknowledged and self._random.random() < shape.repeated:
            return Call(self._random.choice(self._acknowledged), ())
        if shape.batch > 1:
            return self._batch()
        if shape.read:
            return self._read()
        made = self._fill(self._calls)
        return None if made is None else Call(made[0], (made[1],))

    def acknowledged(self, call: Call) -> None:
        """Note that the call is answered with success: from now on it may be repeated."""
        if self._shape.repeated and call.updates:
            if len(self._acknowledged) < _REMEMBERED:
                self._acknowledged.append(call.payload)
            else:
                self._acknowledged[self._number % _REMEMBERED] = call.payload

    def _fill(
        self, templates: Sequence[tuple[bytes, bool]]
    ) -> tuple[bytes, tuple[int, bool]] | None:
        order = self._pick()
        if order is None:
            return None
        self._number = number = self._number + 1
        template, is_output = templates[number % len(templates)]
        return template % {b"order": self._orders[order], b"number": number}, (order, is_output)

    def _batch(self) -> Call | None:
        filled = (self._fill(self._items) for _ in range(self._shape.batch))
        made = [each for each in filled if each is not None]
        if not made:
            return None
        body = b'{"updates":[' + b",".join(item for item, _ in made) + b"]}"
        head = _head(self._host, "POST", BATCH_PATH, len(body))
        return Call(head + body, tuple(update for _, update in made))

    def _read(self) -> Call | None:
        order = self._pick()
        if order is None:
            return None
        self._number = number = self._number + 1
        template = self._reads[number % len(self._reads)]
        return Call(template % {b"order": self._orders[order]}, ())
