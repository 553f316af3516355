"""Send a day to a service: each caller its calls one after the other, all callers at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from tests.trace.calls import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.trace.calls import Call
    from tests.trace.day import Day, Script

_TIMEOUT_S = 30
"""The main service's client waits this long."""


@asynccontextmanager
async def session(base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client with the main service's time-out and no limit of connections."""
    async with aiohttp.ClientSession(
        base_url,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
    ) as client:
        yield client


async def replay(client: aiohttp.ClientSession, day: Day) -> list[Answer]:
    """Send the whole day, the evening after everything else; give the answers."""
    return [*await _all_at_once(client, day.scripts), *await _all_at_once(client, day.evening)]


async def _all_at_once(client: aiohttp.ClientSession, scripts: Sequence[Script]) -> list[Answer]:
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(_run(client, script)) for script in scripts]
    return [answer for caller in callers for answer in caller.result()]


async def _run(client: aiohttp.ClientSession, script: Script) -> list[Answer]:
    answers: list[Answer] = []
    for call in script:
        if call.copies == 1:
            answers.append(await send(client, call))
        else:
            answers += await asyncio.gather(*(send(client, call) for _ in range(call.copies)))
    return answers


async def send(client: aiohttp.ClientSession, call: Call) -> Answer:
    """Send one call once; raises what aiohttp raises."""
    async with client.post(call.path, json=call.body(), headers=call.headers) as response:
        body = await response.json()
        return Answer(call, response.status, body, response.headers.get("Retry-After"))
