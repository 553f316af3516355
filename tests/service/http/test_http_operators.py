"""What operators have of a whole node: its log in a file, its level, tokens, statistics, events."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from tests.servers import free_port
from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import START_S, ServiceProcess

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import StreamReader

    from tests.service.http.conftest import Backend

CALLER, OPERATOR = "caller-token-0123456789", "operator-token-01234567"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _data(client: ClientSession, path: str) -> Any:  # noqa: ANN401
    async with client.get(path) as reply:
        assert reply.status == 200, await reply.text()
        return (await reply.json())["data"]


async def test_a_node_shows_what_it_does_to_those_who_have_a_token(backend: Backend) -> None:
    await backend.add(order(1), order(2))
    tokens = {"API_TOKENS": f"main:{CALLER}", "OPERATOR_TOKENS": f"ops:{OPERATOR}"}
    async with ServiceProcess({**backend.settings, **tokens}) as process:
        await process.start()
        async with ClientSession(process.url, headers=_bearer(CALLER)) as client:
            async with client.get("/api/events") as events:
                for number in (1, 1, 2):
                    body = {"workOrderId": order_id(number), "type": "input"}
                    path = "/api/workorder/update-quantity"
                    async with client.post(path, json=body) as reply:
                        assert reply.status == 200, await reply.text()
                async with asyncio.timeout(100):
                    seen = [await _next_data(events.content) for _ in range(4)]
            assert [each.get("afterQuantity") for each in seen[1:]] == [1, 2, 1]
            busiest = (await _data(client, "/api/actors/hot"))["busiest"]
            assert [each["workOrderNo"] for each in busiest] == ["WO-1", "WO-2"]
            found = await _data(client, f"/api/actors/{order_id(1)}")
            assert [each["afterQuantity"] for each in found["updates"]] == [2, 1]
            stats = await _data(client, "/api/actors/stats")
            assert (stats["updates"]["applied"], stats["live"]) == (3, 2)
            async with client.get("/metrics") as reply:
                assert 'outcome="applied"} 3.0' in await reply.text()
            async with client.post("/api/workorder/queue/pause") as reply:
                assert reply.status == 403
            async with client.post(
                "/api/workorder/queue/pause", headers=_bearer(OPERATOR)
            ) as reply:
                assert reply.status == 200
        assert CALLER not in process.said
        assert OPERATOR not in process.said


async def _next_data(lines: StreamReader) -> dict[str, Any]:
    while True:
        line = await lines.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
            return found


async def test_the_log_goes_to_its_file_and_its_level_changes_at_once(
    embedded: Backend, tmp_path: Path
) -> None:
    path, port = tmp_path / "logs" / "orders.log", free_port()
    settings = {"LOG_FILE": str(path), "PORT": str(port), "LOG_LEVEL": "info"}
    async with ServiceProcess({**embedded.settings, **settings}) as process:
        await process.launch()
        await _logged(path, "owner")
        async with ClientSession(f"http://127.0.0.1:{port}") as client:
            async with client.get("/livez"):
                pass
            async with client.put("/api/log-level", json={"level": "debug"}) as reply:
                assert reply.status == 200
            async with client.get("/livez", headers={"X-Request-Id": "seen-now"}):
                pass
            await _logged(path, "http_request", request_id="seen-now")
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0
        assert process.events == []
    lines = _lines(path)
    assert lines[-1]["event"] == "service_stopped"
    probes = [each for each in lines if each.get("path") == "/livez"]
    assert [each["request_id"] for each in probes] == ["seen-now"]


async def _logged(path: Path, event: str, **fields: str) -> None:
    async with asyncio.timeout(START_S):
        while True:
            wanted = {"event": event, **fields}
            if any(wanted.items() <= each.items() for each in _lines(path)):
                return
            await asyncio.sleep(0.05)


async def test_a_log_file_that_can_not_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings = {"DATA_DIR": str(tmp_path), "LOG_FILE": str(tmp_path / "file" / "orders.log")}
    async with ServiceProcess(settings) as process:
        await process.launch()
        assert await process.ended() == 1
        (line,) = process.complaints
    assert "LOG_FILE" in line


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]
