"""For callers of the service: an update that was answered "success" counts once, whatever happens.

Needs aiohttp and stamina, and nothing outside of this folder: copy it under any name, or give
it to `pip install`, which names the package `plan_server_client`.

    async with PlanServerClient.from_environment(ClientOptions(outbox=Path("…"))) as client:
        result = await client.update_work_order_quantity(work_order_id, "input", 1, {…})
"""

from .client import PlanServerClient
from .options import ClientOptions
from .outbox_file import DeadLetter, OutboxUnusable, Usage
from .results import Result

__all__ = [
    "ClientOptions",
    "DeadLetter",
    "OutboxUnusable",
    "PlanServerClient",
    "Result",
    "Usage",
]
