"""Orders of their own on which many scan the same few barcodes at once, and operate the order.

The guards are enforced: whatever fails, no barcode counts twice, and no operation is half done.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from bson import ObjectId

from actors.store.schema import LOGS, OPERATIONS, ORDERS, SCRAPPED
from tests.chaos.callers import FINAL, UPDATE
from tests.chaos.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.contract.backdoor import MongoBackdoor

ENFORCED: Final = dict.fromkeys(("OUTPUT_ONCE", "UNBIND_ONCE", "OVER_INPUT"), "enforce")
"""Settings of the nodes."""
FIRST: Final = 0x6560A00000000000000E0000
_API: Final = "/api/workorder"
_BARCODES: Final = 6
_WORKERS: Final = 6
REST_S: Final = 0.25
_AGAIN_S: Final = 0.1
_DEADLINE_S: Final = 120
_OK: Final = 200
_REFUSED: Final = 409


def bench_orders() -> list[dict[str, Any]]:
    """Make an order to count and operate, and one with scrap to make up for."""
    base = {"planQuantity": 100_000, "outputQuantity": 0, "progress": 0, "scrapQuantity": 0}
    counted = {"status": "IN_PROGRESS", "planProductionQuantity": 100_000, "inputQuantity": 0}
    scrapped = {
        "status": "PAUSED",
        "planProductionQuantity": 500,
        "inputQuantity": 500,
        "scrapQuantity": 400,
    }
    return [
        {"_id": f"{FIRST + number:024x}", "workOrderNo": f"BENCH-{number}", **base, **more}
        for number, more in enumerate((counted, scrapped))
    ]


@dataclass(slots=True)
class Bench(Crew):
    """Workers who scan and operate; `told` has the last status and code for each key.

    Each rests for `rest_s` seconds between two calls, on average.
    """

    orders: Sequence[str]
    seed: int
    told: dict[str, tuple[int, str]] = field(default_factory=dict)
    rest_s: float = REST_S

    def start(self) -> None:
        """Set them to work."""
        self._open()
        for number in range(_WORKERS):
            self._begin(self._work(number, self._draw))
        self._begin(self._work(_WORKERS, self._supplement))

    async def _work(self, number: int, draw: Any) -> None:  # noqa: ANN401 -- a method of ours
        rng = Random(f"{self.seed} bench {number}")  # noqa: S311 -- a load, not a secret
        count = 0
        while not self._stopping:
            count += 1
            path, body = draw(rng)
            await self._until_settled(path, body | {"requestId": f"bench-{number}-{count}"}, count)
            await asyncio.sleep(rng.uniform(0, 2 * self.rest_s))

    def _draw(self, rng: Random) -> tuple[str, dict[str, Any]]:
        order, barcode = self.orders[0], f"B{rng.randrange(_BARCODES)}"
        context: dict[str, Any] = {"relatedBarcode": barcode}
        what = rng.choice(("output", "output", "unbind", "scrap", "pause", "resume"))
        if what in ("output", "unbind"):
            if what == "unbind":
                context["barcodeOperation"] = "UNBIND_PROCESS"
            quantity = 1 if what == "output" else -1
            body = {"workOrderId": order, "type": "output", "quantity": quantity}
            return UPDATE, body | {"logContext": context}
        if what == "scrap":
            context["relatedBarcode"] = f"S{rng.randrange(200)}"
        return f"{_API}/{order}/operations", {"operation": what, "logContext": context}

    def _supplement(self, _rng: Random) -> tuple[str, dict[str, Any]]:
        body = {"operation": "supplement", "supplementQuantity": 1}
        return f"{_API}/{self.orders[1]}/operations", body

    async def _until_settled(self, path: str, body: dict[str, Any], node: int) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            node = (node + 1) % len(self.urls)
            try:
                async with self._sessions[node].post(path, json=body) as reply:
                    code, status = str((await reply.json())["code"]), reply.status
            except (aiohttp.ClientError, TimeoutError, ValueError):
                code, status = "", 0
            self.told[body["requestId"]] = (status, code)
            if status in FINAL:
                return
            await asyncio.sleep(_AGAIN_S)


def check_bench(
    backdoor: MongoBackdoor, orders: Iterable[str], told: dict[str, tuple[int, str]]
) -> list[tuple[str, str]]:
    """Return what is wrong, by kind; the outboxes must be empty."""
    ids = [ObjectId(each) for each in orders]
    database = backdoor.database
    logs = list(database[LOGS].find({"workOrderId": {"$in": ids}}).sort("planServer.seq", 1))
    entries = list(database[OPERATIONS].find({"workOrderId": {"$in": ids}}))
    made = list(database[ORDERS].find({"originalWorkOrderId": {"$in": ids}}))
    stored = {each["_id"]: each for each in database[ORDERS].find({"_id": {"$in": ids}})}
    return [
        *(("guarded counts wrong", each) for each in _counts(stored[ids[0]], logs)),
        *(("operations half done", each) for each in _keys(told, [*logs, *entries])),
        *(("operations half done", each) for each in _scrap(stored[ids[0]], entries)),
        *(("operations half done", each) for each in _supplements(made, entries)),
    ]


def _counts(order: dict[str, Any], logs: list[dict[str, Any]]) -> Iterable[str]:
    net: defaultdict[str, float] = defaultdict(float)
    for each in logs:
        barcode = each["relatedBarcode"]
        net[barcode] += each["changeQuantity"]
        if not 0 <= net[barcode] <= 1:
            yield f"{barcode} counts {net[barcode]} at seq {each['planServer']['seq']}"
    if order["outputQuantity"] != sum(net.values()):
        yield f"output {order['outputQuantity']}, barcodes {sum(net.values())}"


def _keys(told: dict[str, tuple[int, str]], found: list[dict[str, Any]]) -> Iterable[str]:
    times = Counter(each["planServer"].get("requestId") for each in found)
    for key, count in times.items():
        if count > 1 or key not in told:
            yield f"key {key}: {count} entries"
    for key, (status, code) in told.items():
        if status == _OK and code != "QUEUED" and not times[key]:
            yield f"key {key}: told {code}, no entry"
        if status == _REFUSED and times[key]:
            yield f"key {key}: told {code}, and an entry"


def _scrap(order: dict[str, Any], entries: list[dict[str, Any]]) -> Iterable[str]:
    scrapped = sorted(each["relatedBarcode"] for each in entries if each["operation"] == "scrap")
    listed = sorted(each["barcode"] for each in order.get(SCRAPPED, ()))
    if not scrapped == listed == sorted(set(listed)) or order["scrapQuantity"] != len(listed):
        yield f"scrap {order['scrapQuantity']}, listed {listed}, entries {scrapped}"


def _supplements(made: list[dict[str, Any]], entries: list[dict[str, Any]]) -> Iterable[str]:
    asked = sorted(each["_id"] for each in entries if each["operation"] == "supplement")
    there = sorted(each["_id"] for each in made)
    numbers = {each["workOrderNo"] for each in made}
    if asked != there or len(numbers) != len(made):
        yield f"{len(asked)} supplements, orders {there}, numbers {sorted(numbers)}"
