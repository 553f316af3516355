"""A shop floor that the console looks at: a node, its orders, and updates that come in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.service.http.conftest import order, order_id
from tests.trace import session

if TYPE_CHECKING:
    from tests.service.nodes import ServiceNode
    from tests.service.places import Place

API = "/api/workorder"
_CALLERS = 8


def number_of(which: int) -> str:
    """Return the number of an order, as people know it."""
    return f"WO-{which}"


class Floor:
    """Sends real updates to one node."""

    def __init__(self, node: ServiceNode) -> None:
        self.node = node

    async def update(self, which: int, *, times: int = 1, **more: Any) -> list[str]:  # noqa: ANN401
        """Send so many updates of an order side by side; give the codes of the answers."""
        body = {"workOrderId": order_id(which), "type": "input", **more}
        left = iter(range(times))
        codes: list[str] = []
        async with session(self.node.uri) as client:

            async def call() -> None:
                for _ in left:
                    async with client.post(f"{API}/update-quantity", json=body) as reply:
                        codes.append((await reply.json())["code"])

            await asyncio.gather(*(call() for _ in range(min(times, _CALLERS))))
        return codes

    async def read(self, path: str) -> Any:  # noqa: ANN401
        """Return the data of an answer."""
        async with session(self.node.uri) as client, client.get(path) as reply:
            return (await reply.json())["data"]

    async def post(self, path: str) -> None:
        """Do what operators do, as a program."""
        async with session(self.node.uri) as client, client.post(f"{API}/{path}") as reply:
            assert reply.status == 200, await reply.text()


async def put_orders(place: Place, *numbers: int, **fields: Any) -> None:  # noqa: ANN401
    """Put orders into the store, as the main service does."""
    for each in numbers:
        await asyncio.to_thread(place.backdoor.put_order, order(each, **fields))
