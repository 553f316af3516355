"""An order and its whole log, read in two ways: over HTTP, and past the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from actors.domain.model import WorkOrderId
    from tests.contract.backdoor import Backdoor
    from tests.trace import Start

Document = dict[str, Any]
_PAGE_SIZE = 400


@dataclass(frozen=True, slots=True)
class Books:
    """What an order was before the first call, what it is, and its log since, oldest first."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    log: list[Document]
    raw: bool
    """Whether these are the stored documents, with what is ours; else what HTTP shows."""

    @property
    def order(self) -> str:
        return str(self.before["_id"])


def stored_books(backdoor: Backdoor, start: Start) -> list[Books]:
    """Read the store itself, once the service has stopped: then no outbox holds anything."""
    old = _old_entries(start)
    return [
        Books(
            before,
            backdoor.order(before["_id"]),
            [each for each in backdoor.logs(before["_id"]) if each["_id"] not in old],
            raw=True,
        )
        for before in start.orders
    ]


async def shown_books(client: aiohttp.ClientSession, start: Start) -> list[Books]:
    """Read what the service shows its callers, page by page."""
    old = _old_entries(start)
    books = []
    for before in start.orders:
        order_id: WorkOrderId = before["_id"]
        rows = [each for each in await shown_log(client, order_id) if each["_id"] not in old]
        async with client.get(f"/api/workorder/detail/{order_id}") as response:
            assert response.status == 200
            detail = (await response.json())["data"]
        books.append(Books(before, detail, rows[::-1], raw=False))
    return books


async def shown_log(client: aiohttp.ClientSession, order_id: str) -> list[Document]:
    """Read all pages of an order's log, newest first."""
    rows: list[Document] = []
    page = 1
    while True:
        query = {"page": str(page), "pageSize": str(_PAGE_SIZE)}
        path = f"/api/workorder/quantity-logs/{order_id}"
        async with client.get(path, params=query) as response:
            assert response.status == 200
            data = (await response.json())["data"]
        rows += data["logs"]
        if page >= data["totalPages"]:
            assert len(rows) == data["total"], f"{len(rows)} rows of {data['total']}"
            return rows
        page += 1


def _old_entries(start: Start) -> set[str]:
    return {entry["_id"] for entry in start.old_logs}
