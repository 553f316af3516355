"""How the driver is told its deadlines, and what its errors of a write mean."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable, WorkOrderError
from actors.store.mongo.client import Driver, connect, disconnect, reading, writing

A_MINUTE_S = 60.0


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
@pytest.mark.parametrize(
    ("given", "call_s", "server_s"),
    [
        ("", 5.0, 5.0),
        ("/?appname=timeoutms%3D", 5.0, 5.0),
        ("/?timeoutMS=700", 0.7, 5.0),
        ("/?serverSelectionTimeoutMS=700", 5.0, 0.7),
        ("/db?w=1&TIMEOUTMS=800&ServerSelectionTimeoutMS=700", 0.8, 0.7),
        ("/?w=1;serverSelectionTimeoutMS=700", 5.0, 0.7),
    ],
)
async def test_a_call_has_a_deadline_whichever_others_the_uri_names(
    driver: Driver, given: str, call_s: float, server_s: float
) -> None:
    client = connect(f"mongodb://u:timeoutms=1@127.0.0.1:1,127.0.0.1:2{given}", driver, 5.0)
    try:
        options = client.options
        assert (options.timeout, options.server_selection_timeout) == (call_s, server_s)
    finally:
        await disconnect(client)


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        # PyMongo 4.20 repeats a write of a server that was overloaded as one that can be repeated,
        # also on a standalone mongod, which refuses the repetition and says nothing of the first.
        (20, OutcomeUnknown),
        (10107, OutcomeUnknown),
        (13, StoreUnavailable),
        (2, StoreRejected),
    ],
)
async def test_what_an_answer_to_a_write_means(code: int, meant: type[Exception]) -> None:
    with pytest.raises(meant), writing():
        raise OperationFailure("no", code)


@pytest.mark.parametrize("using", [reading, writing])
@pytest.mark.parametrize("error", [None, AutoReconnect("connection closed")])
async def test_a_cancellation_that_the_driver_lost_ends_what_it_was_meant_for(
    using: Any,  # noqa: ANN401
    error: Exception | None,
) -> None:
    async def again_and_again() -> str:
        for _ in range(2):
            with suppress(WorkOrderError), using():
                with suppress(asyncio.CancelledError):
                    await forever.wait()
                if error and not forever.is_set():
                    raise error
            forever.set()
        return "went on"

    forever = asyncio.Event()
    task = asyncio.create_task(again_and_again())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    forever.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await again_and_again()


@pytest.mark.parametrize("using", [reading, writing])
async def test_what_is_done_while_a_task_ends_is_done_whole(using: Any) -> None:  # noqa: ANN401
    done = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(A_MINUTE_S)
        finally:
            for each in range(2):
                with using():
                    await asyncio.sleep(0)
                done.append(each)

    task = asyncio.create_task(tidy())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert done == [0, 1]
