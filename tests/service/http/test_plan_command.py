"""The operators' command line against a real node."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from typer.testing import CliRunner

from scripts.operate.__main__ import app
from tests.servers import free_port
from tests.service.http.conftest import Backend, order, order_id
from tests.service.http.service_process import ServiceProcess
from web.routes.table import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from typer.testing import Result

_FIRST = order_id(1)
_NOWHERE = "f" * 24


class Terminal:
    """Runs commands against one address."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def run(self, *arguments: str) -> Result:
        """Run one; its loop is none of ours."""
        command = [*arguments, "--url", self.url]
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, command))

    async def jobs(self, state: str, count: int) -> None:
        """Return when there are that many."""
        async with asyncio.timeout(100):
            while (await self.told("jobs", "--state", state))["total"] != count:  # noqa: ASYNC110 -- asked anew each time
                await asyncio.sleep(0.05)

    async def told(self, *arguments: str) -> Any:  # noqa: ANN401 -- JSON
        """Run one that succeeds, and read its JSON."""
        result = await self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@asynccontextmanager
async def terminal(backend: Backend, **settings: str) -> AsyncIterator[Terminal]:
    await backend.add(order(1), order(2))
    async with ServiceProcess({**backend.settings, **settings}) as service:
        await service.start()
        yield Terminal(service.url)


async def update(at: Terminal, order_id: str, quantity: int = 1, **more: object) -> dict[str, Any]:
    body = {"workOrderId": order_id, "type": "input", "quantity": quantity, **more}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{at.url}/api/workorder/update-quantity", json=body) as response,
    ):
        answer: dict[str, Any] = (await response.json())["data"]
        return answer


async def test_status_says_who_serves_and_what_waits(embedded: Backend) -> None:
    async with terminal(embedded, NODE_ID="north") as at:
        await update(at, _FIRST)
        found = await at.told("status")
        assert (found["serving"], found["nodes"]["leaseHolder"]) == (True, "north")
        assert found["actors"]["live"] == 1
        shown = await at.run("status")
        assert shown.exit_code == 0
        assert "served" in shown.output
        assert "None" not in shown.output
        assert "north" in shown.output
        for command in ("nodes", "locks", "history", "search WO-1", "log-level", "status --check"):
            looked = await at.run(*command.split())
            assert looked.exit_code == 0, looked.output
            assert "None" not in looked.output
        assert (await at.told("log-level", "debug"))["level"] == "debug"
        assert '"event": "state"' in (await at.run("events", "--count", "1", "--json")).output


async def test_an_order_is_found_by_id_and_by_number_live_or_not(embedded: Backend) -> None:
    async with terminal(embedded) as at:
        await update(at, _FIRST, 5)
        for name in (_FIRST, "WO-1"):
            found = await at.told("show", name)
            assert found["order"]["inputQuantity"] == 5
            assert [each["seq"] for each in found["actor"]["updates"]] == [1]
        assert _FIRST in (await at.run("hot")).output
        assert (await at.told("show", "WO-2"))["order"]["id"] == order_id(2)
        for name, code in (("WO-9", "INVALID_WORK_ORDER_ID"), (_NOWHERE, "WORK_ORDER_NOT_FOUND")):
            missing = await at.run("show", name)
            assert missing.exit_code == 1
            assert code in missing.output
        assert (await at.told("pause", "WO-2"))["workOrderId"] == order_id(2)
        queued = await update(at, order_id(2))
        (waiting,) = (await at.told("jobs", "--state", "waiting", "--order", "WO-2"))["jobs"]
        assert (waiting["jobId"], waiting["workOrderNo"]) == (queued["jobId"], "WO-2")
        assert (await at.told("resume", "WO-2"))["paused"] is False


async def test_a_paused_order_waits_until_it_is_resumed(embedded: Backend) -> None:
    async with terminal(embedded) as at:
        assert "paused" in (await at.run("pause", _FIRST)).output
        queued = await update(at, _FIRST)
        waiting = await at.told("jobs", "--state", "waiting")
        assert [each["jobId"] for each in waiting["jobs"]] == [queued["jobId"]]
        taken_back = await update(at, _FIRST)
        assert "taken back" in (await at.run("remove", taken_back["jobId"])).output
        assert (await at.run("resume", _FIRST)).exit_code == 0
        await at.jobs("completed", 1)
        assert (await at.told("clean", "--hours", "0")) == {"grace": 0}
        await at.jobs("completed", 0)
        assert (await at.told("pause", "--all"))["paused"] is True
        found = await at.told("status")
        assert found["health"]["paused"] is True
        assert [each["code"] for each in found["alarms"]] == ["PAUSED"]
        shown = await at.run("status")
        assert shown.exit_code == 0
        assert shown.stdout.startswith("ALARMS")
        assert "PAUSED" in shown.stdout
        assert (await at.told("resume"))["paused"] is False


async def test_an_order_is_operated_once_it_is_confirmed(embedded: Backend) -> None:
    async with terminal(embedded) as at:
        unasked = await at.run("operate", _FIRST, "pause")
        assert unasked.exit_code == 1
        said = ("--reason", "换料", "--key", "k")
        done = await at.told("operate", _FIRST, "pause", "--yes", *said)
        assert (done["beforeStatus"], done["afterStatus"]) == ("IN_PROGRESS", "PAUSED")
        assert (await at.told("operate", _FIRST, "pause", "--yes", *said))["replayed"] is True
        assert (await at.told("show", _FIRST))["order"]["status"] == "PAUSED"
        refused = await at.run("operate", _FIRST, "cancel", "--yes")
        assert refused.exit_code == 1
        assert "OPERATION_REFUSED" in refused.output


async def test_failed_jobs_are_listed_with_their_reason_and_tried_again(embedded: Backend) -> None:
    async with terminal(embedded) as at:
        queued = await update(at, _NOWHERE, wait=False)
        await at.jobs("failed", 1)
        assert "WORK_ORDER_NOT_FOUND" in (await at.run("jobs")).output
        assert (await at.told("retry", queued["jobId"]))["jobId"] == queued["jobId"]
        await at.jobs("failed", 1)
        chosen = ("--failed", "--code", "WORK_ORDER_NOT_FOUND", "--order", _NOWHERE)
        assert (await at.told("retry", *chosen, "--dry-run"))["failed"] == 1
        other = ("--failed", "--code", "DEAD_LETTER")
        assert (await at.told("retry", *other, "--dry-run"))["failed"] == 0
        assert (await at.told("retry", *other)) == {"retried": 0}
        assert (await at.told("retry", *chosen)) == {"retried": 1}
        refused = await at.run("retry", order_id(9))
        assert refused.exit_code == 1


async def test_the_smoke_test_passes_undoes_what_it_did_and_sees_a_pause(embedded: Backend) -> None:
    async with terminal(embedded) as at:
        await update(at, _FIRST, 7)
        found = await at.told("smoke", "--order", _FIRST)
        assert found["ok"] is True
        tried = [each["name"] for each in found["checks"]]
        assert tried[-1] == "an update and its undo"
        assert tried[:-1] == [route.path for route in ROUTES if route.method == "GET"]
        assert (await at.told("show", _FIRST))["order"]["inputQuantity"] == 7
        assert (await at.run("smoke")).exit_code == 0
        await at.run("pause", "--all")
        failed = await at.run("smoke", "--order", _FIRST)
        assert failed.exit_code == 1
        assert "processing is paused" in " ".join(failed.output.split())
        await at.run("resume")
        await at.jobs("waiting", 0)
        assert (await at.told("show", _FIRST))["order"]["inputQuantity"] == 7


async def test_the_smoke_test_names_the_page_that_fails(embedded: Backend) -> None:
    async with terminal(embedded) as at:
        result = await at.run("smoke", "--order", _NOWHERE, "--json")
        assert result.exit_code == 1
        found = json.loads(result.stdout)
        failed = {each["name"]: each["detail"] for each in found["checks"] if not each["ok"]}
        assert "WORK_ORDER_NOT_FOUND" in failed["/api/workorder/detail/{id}"]
        assert "WORK_ORDER_NOT_FOUND" in failed["an update and its undo"]
        assert "/api/events" not in failed


async def test_watching_prints_a_line_at_each_look(embedded: Backend) -> None:
    async with terminal(embedded) as at:
        result = await at.run("watch", "--every", "0.2", "--looks", "2", "--json")
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert [json.loads(line)["status"]["serving"] for line in lines] == [True, True]
        assert "served" in (await at.run("watch", "--looks", "1")).output


@pytest.mark.parametrize("command", ["status", "hot", "events", "smoke", "pause --all", "watch"])
async def test_where_nobody_answers_the_address_is_named_and_the_exit_code_is_3(
    command: str,
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = await Terminal(url).run(*command.split())
    assert result.exit_code == 3
    assert f"{url} does not answer" in " ".join(result.output.split())


async def test_what_is_not_this_service_is_told_so() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        result = await Terminal(f"http://127.0.0.1:{port}").run("hot")
    assert result.exit_code == 3
    assert "not as this service does" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "arguments", [["retry"], ["retry", "1" * 24, "--failed"], ["retry", "1" * 24, "--code", "X"]]
)
async def test_a_retry_of_nothing_or_of_two_things_is_refused(arguments: list[str]) -> None:
    assert (await Terminal("http://127.0.0.1:1").run(*arguments)).exit_code == 2


def test_settings_are_listed_with_their_source_and_secrets_masked() -> None:
    environment = {"PORT": "4000", "MONGODB_URI": "mongodb://user:hunter2@db/orders"}
    result = CliRunner().invoke(app, ["config", "check", "--json"], env=environment)
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    found = {each["name"]: each for each in json.loads(result.stdout)["settings"]}
    assert (found["PORT"]["value"], found["PORT"]["source"]) == ("4000", "environment")
    assert found["HOST"]["source"] == "default"
    assert "hunter2" not in CliRunner().invoke(app, ["config", "check"], env=environment).output


def test_the_settings_of_a_file_are_checked_as_a_node_would_read_them(tmp_path: Path) -> None:
    file = tmp_path / "service.env"
    file.write_text("# of node 1\nPORT=4000\nREDIS_URL=redis://:hunter2@r/0\nMAILBOX=x\n\nHOST=\n")
    command = ["config", "check", "--env-file", str(file)]
    result = CliRunner().invoke(app, [*command, "--json"], env={"PORT": "1", "LOG_LEVEL": "debug"})
    assert result.exit_code == 0, result.output
    assert "hunter2" not in result.output
    answer = json.loads(result.stdout)
    found = {each["name"]: (each["value"], each["source"]) for each in answer["settings"]}
    assert found["PORT"] == ("4000", str(file))
    assert found["LOG_LEVEL"] == ("debug", "environment")
    assert found["HOST"] == ("localhost", "default")
    assert answer["unknown"] == ["MAILBOX"]
    assert "MAILBOX" in CliRunner().invoke(app, command).output
    for mistake in ("PORT=high\n", "MONGO_URI=mongodb://db/f\n"):
        file.write_text(mistake)
        assert CliRunner().invoke(app, command).exit_code == 1


def test_every_mistake_in_the_settings_is_named() -> None:
    environment = {"PORT": "-1", "LEASE_TTL": "soon"}
    for options in ([], ["--json"]):
        result = CliRunner().invoke(app, ["config", "check", *options], env=environment)
        assert result.exit_code == 1
        assert "PORT" in result.output
        assert "LEASE_TTL" in result.output
