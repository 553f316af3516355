"""Measure scans of a barcode that has very many entries, and other orders beside them.

For each store: starts a node of the service as a process (and for MongoDB a replica set of one),
writes the entries over HTTP (unbinds, which a scan has to look at), and then, under a steady load
of updates of other orders:

1. that load alone;
2. the same beside a scanner that scans that barcode and unbinds it, without a pause between;
3. the same beside a scanner whose barcodes are new each time.

Everything shares this machine's cores with the node: run it when nothing else does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from pymongo import MongoClient

from scripts.bench import embedded
from scripts.bench.calls import order_id
from scripts.bench.orders import seed_mongo
from scripts.bench.processes import ChildFailedError, child, exit_on_sigterm, say, wait_until_ready
from tests.servers import MongoReplicaSet, ServerError, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_API: Final = "/api/workorder"
_BATCH: Final = 1_000
_WARMUP_S: Final = 1.0
_STEP: Final = f"{0x5F0C:024x}"
_PERCENTILES: Final = (50, 99)
_QUICK: Final = {"entries": 3_000, "seconds": 2.0, "orders": 100}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench barcode",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--entries", type=int, default=100_000, help="of the barcode (default 100000)")
    add("--stores", default="mongo,sqlite", help="default: mongo,sqlite")
    add("--orders", type=int, default=1_000, help="other orders (default 1000)")
    add("--per-second", type=float, default=200, help="updates of those (default 200)")
    add("--seconds", type=float, default=15.0, help="of each part (default 15)")
    add("--quick", action="store_true", help="a smoke run: 3000 entries, parts of 2 s")
    add("--out", type=Path, help="write all figures here as JSON")
    return parser


class _Node:
    """A running node, called from here as a scanner calls it."""

    def __init__(self, port: int, order: str) -> None:
        self._order = order
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self.url = f"http://127.0.0.1:{port}"

    def write(self, barcode: str, entries: int) -> None:
        """Write that many unbinds of the barcode."""
        for first in range(0, entries, _BATCH):
            size = min(_BATCH, entries - first)
            self._post("batch-update-quantity", {"updates": [self._change(barcode, -1)] * size})

    def time_scan(self, barcode: str) -> float:
        """Scan the barcode, and unbind it; give the seconds that the scan took."""
        started = time.perf_counter()
        self._post("update-quantity", self._change(barcode, 1))
        took_s = time.perf_counter() - started
        self._post("update-quantity", self._change(barcode, -1))
        return took_s

    def _post(self, path: str, body: object) -> None:
        self._connection.request(
            "POST", f"{_API}/{path}", json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = json.loads(self._connection.getresponse().read())
        if answer["code"] != "UPDATED":
            raise SystemExit(f"{path}: {answer['code']} {answer['message']}")

    def _change(self, barcode: str, quantity: int) -> dict[str, object]:
        operation = "SCAN_PROCESS" if quantity > 0 else "UNBIND_PROCESS"
        said = {"relatedBarcode": barcode, "processStepId": _STEP, "barcodeOperation": operation}
        return {
            "workOrderId": self._order,
            "type": "input",
            "quantity": quantity,
            "logContext": said,
        }


def _times_ms(took_s: Sequence[float]) -> dict[str, float]:
    ascending = sorted(took_s)
    at = {f"p{p}": ascending[len(ascending) * p // 100] for p in _PERCENTILES}
    return {name: round(value * 1000, 1) for name, value in (at | {"max": ascending[-1]}).items()}


def _part(
    node: _Node, args: argparse.Namespace, out: Path, scan: Callable[[], float] | None
) -> dict[str, Any]:
    """Run the load of other orders, and meanwhile `scan` again and again."""
    options: dict[str, object] = {
        "--url": node.url,
        "--orders": args.orders,
        "--connections": 32,
        "--per-second": args.per_second,
        "--seconds": args.seconds,
        "--warmup": _WARMUP_S,
        "--out": out,
    }
    given = [str(part) for option in options.items() for part in option]
    log = out.with_suffix(".log")
    scans = []
    with child(["-m", "scripts.bench", "load", *given], log) as process:
        end = time.monotonic() + _WARMUP_S + args.seconds
        while scan is not None and time.monotonic() < end and process.poll() is None:
            scans.append(scan())
        process.wait(args.seconds + 120)
    if not out.exists():
        raise ChildFailedError(f"load ended with status {process.returncode}", log)
    others = orjson.loads(out.read_bytes())
    return {
        "others": {"per_second": others["per_second"], **others["latency_ms"]},
        "scans": {"count": len(scans), **_times_ms(scans)} if scans else None,
    }


def _measure(node: _Node, args: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    started = time.perf_counter()
    node.write("SN-MANY", args.entries)
    say(f"{args.entries} entries after {time.perf_counter() - started:.0f} s")
    numbers = count()
    parts: dict[str, Callable[[], float] | None] = {
        "alone": None,
        "beside it": lambda: node.time_scan("SN-MANY"),
        "beside new barcodes": lambda: node.time_scan(f"SN-{next(numbers)}"),
    }
    return {
        name: _part(node, args, scratch / f"load-{index}.json", scan)
        for index, (name, scan) in enumerate(parts.items())
    }


def _on(store: str, args: argparse.Namespace) -> dict[str, Any]:
    """Measure on one store, with a node and data of its own."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        port, log = free_port(), scratch / "node.log"
        environment = {"PORT": str(port), "DATA_DIR": str(scratch / "data"), "LOG_LEVEL": "warning"}
        (scratch / "data").mkdir()
        if store == "mongo":
            replica_set = stack.enter_context(MongoReplicaSet(cache_gb=1.0))
            environment |= {"MONGODB_URI": replica_set.uri, "MONGODB_DB": "bench"}
            with MongoClient[dict[str, Any]](replica_set.uri) as client:
                seed_mongo(client["bench"], args.orders + 1)
        else:
            embedded.seed(scratch, args.orders + 1)
        process = stack.enter_context(child(["-m", "web"], log, environment))
        wait_until_ready(process, port, log)
        # The last order is the scanner's, the others are the load's.
        return _measure(_Node(port, order_id(args.orders)), args, scratch)


def _report(found: dict[str, Any], args: argparse.Namespace) -> str:
    lines = [
        f"a barcode with {args.entries} entries; other orders: {args.per_second:.0f} updates/s",
        f"{'store':<8}{'':<22}{'scans, ms':<60}others, ms",
    ]
    for store, parts in found.items():
        for name, part in parts.items():
            lines.append(f"{store:<8}{name:<22}{part['scans'] or '–'!s:<60}{part['others']}")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Measure and print; give the exit status."""
    args = _parser().parse_args(argv)
    if args.quick:
        vars(args).update(_QUICK)
    exit_on_sigterm()
    stores = args.stores.split(",")
    if unknown := set(stores) - {"mongo", "sqlite"}:
        raise SystemExit(f"unknown stores: {', '.join(sorted(unknown))}")
    try:
        found = {store: _on(store, args) for store in stores}
    except (ChildFailedError, ServerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_report(found, args) + "\n")
    if args.out is not None:
        args.out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return 0
