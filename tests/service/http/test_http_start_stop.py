"""A node's life: what it says when it can't start, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientConnectionError, ClientSession

from actors.store.sqlite.store import FILE_NAME
from tests.servers import RedisServer, free_port
from tests.service.http.conftest import order, order_id
from tests.service.http.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.http.conftest import Backend

UPDATE = "/api/workorder/update-quantity"
CANARY = "canary-9f3b"


async def _fails_to_start(**settings: str) -> tuple[int, list[str], ServiceProcess]:
    return await _ends_at_start(ServiceProcess(settings))


async def _ends_at_start(node: ServiceProcess) -> tuple[int, list[str], ServiceProcess]:
    async with node as process:
        await process.launch()
        code = await process.ended()
        assert CANARY not in process.said
        return code, process.complaints, process


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


# -- it can't start ------------------------------------------------------------------------


async def test_every_bad_setting_has_a_line_and_no_port_is_opened(tmp_path: Path) -> None:
    settings = {
        "DATA_DIR": str(tmp_path),
        "PORT": "high",
        "LEASE_TTL": "-1",
        "LOG_FORMAT": "xml",
        "MONGODB_URI": f"http://user:{CANARY}@db",
        "API_TOKENS": f"{CANARY},",
    }
    code, lines, process = await _ends_at_start(ServiceProcess(settings, plain=True))
    assert code == 2
    assert len(lines) == 5
    for name in ("PORT", "LEASE_TTL", "LOG_FORMAT", "MONGODB_URI", "API_TOKENS"):
        assert any(f" {name}: must " in line for line in lines), name
    assert CANARY not in "".join(lines)
    assert process.events == []
    assert not _files(tmp_path)


async def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, lines, _ = await _fails_to_start(DATA_DIR=str(tmp_path), PORT=port)
    assert code == 1
    (line,) = lines
    assert port in line
    assert "in use" in line
    assert not _files(tmp_path), "it had no business with the data yet"


async def test_an_address_of_another_machine_is_one_line(tmp_path: Path) -> None:
    settings = {"HOST": "192.0.2.1", "ALLOW_UNAUTHENTICATED": "1"}
    code, lines, _ = await _fails_to_start(DATA_DIR=str(tmp_path), **settings)
    assert (code, len(lines)) == (1, 1)
    assert "192.0.2.1" in lines[0]


async def test_where_others_could_call_without_a_token_it_does_not_start(tmp_path: Path) -> None:
    code, lines, _ = await _fails_to_start(DATA_DIR=str(tmp_path), HOST="0.0.0.0")  # noqa: S104
    assert (code, len(lines)) == (2, 1)
    assert "HOST: is not the loopback" in lines[0]


@pytest.mark.parametrize(
    ("name", "url"), [("MONGODB_URI", "mongodb://{}/orders"), ("REDIS_URL", "redis://{}/0")]
)
async def test_an_unreachable_server_is_one_line_without_its_password(
    tmp_path: Path, name: str, url: str
) -> None:
    port = free_port()
    address = f"user:{CANARY}@127.0.0.1:{port}"
    settings = {"DATA_DIR": str(tmp_path), name: url.format(address)}
    code, lines, process = await _fails_to_start(**settings)
    assert (code, len(lines)) == (1, 1)
    assert f"127.0.0.1:{port}" in lines[0]
    assert f"127.0.0.1:{port}" in process.named("service_not_started")[0]["reason"]


async def test_a_data_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    code, lines, _ = await _fails_to_start(DATA_DIR=str(tmp_path / "data"))
    assert (code, len(lines)) == (1, 1)


async def test_no_secret_of_the_settings_is_ever_logged(embedded: Backend, tmp_path: Path) -> None:
    await embedded.add(order(1))
    redis = RedisServer(tmp_path / "redis", password=CANARY)
    await asyncio.to_thread(redis.start)
    try:
        settings = {**embedded.settings, "REDIS_URL": redis.uri, "LEASE_TTL": "1"}
        async with ServiceProcess({**settings, "LOG_LEVEL": "debug"}) as process:
            await process.start()
            async with ClientSession(process.url) as http:
                headers = {"Authorization": f"Bearer {CANARY}"}
                async with http.post(UPDATE, json={"workOrderId": "1"}, headers=headers) as reply:
                    assert reply.status == 400
                await asyncio.to_thread(redis.stop)
                await process.event("dependency_down")
                assert CANARY not in str(await _health(http))
            process.signal(signal.SIGTERM)
            await process.ended()
            assert CANARY not in process.said
    finally:
        await asyncio.to_thread(redis.close)


# -- it ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_node_in_good_order(
    embedded: Backend, signum: signal.Signals
) -> None:
    async with ServiceProcess(embedded.settings, plain=True) as process:
        await process.start()
        process.signal(signum)
        assert await process.ended() == 0
        assert process.complaints == []
        (stopping,) = process.named("service_stopping")
        (stopped,) = process.named("service_stopped")
        assert (stopping["signal"], stopped["finished"]) == (signum.name, True)


async def test_a_signal_under_load_loses_nothing_that_was_answered(backend: Backend) -> None:
    await backend.add(*(order(number) for number in range(1, 9)))
    answered = 0
    many = asyncio.Event()

    async def call(http: ClientSession, number: int) -> None:
        nonlocal answered
        body = {"workOrderId": order_id(number), "type": "input"}
        try:
            while True:
                async with http.post(UPDATE, json=body) as reply:
                    if reply.status != 200:
                        assert reply.status == 503, await reply.text()
                        assert reply.headers["Retry-After"]
                        await asyncio.sleep(0.01)
                        continue
                    await reply.read()
                    answered += 1
                    if answered == 200:
                        many.set()
        except ClientConnectionError:
            return

    async with ServiceProcess(backend.settings) as process:
        await process.start()
        async with ClientSession(process.url) as http:
            callers = [asyncio.create_task(call(http, each % 8 + 1)) for each in range(32)]
            await asyncio.wait_for(many.wait(), 100)
            process.signal(signal.SIGTERM)
            await asyncio.gather(*callers)
        assert await process.ended() == 0
        assert process.named("service_stopped")[0]["finished"] is True
        assert process.complaints == []
    async with backend.store() as store:
        orders = [await store.detail(order_id(number)) for number in range(1, 9)]  # type: ignore[arg-type]
        assert await store.dirty(10) == []
    assert sum(each["inputQuantity"] for each in orders if each is not None) == answered


async def test_the_next_node_takes_over_at_once_from_one_that_ended_well(
    networked: Backend,
) -> None:
    settings = {**networked.settings, "LEASE_TTL": "60"}
    async with ServiceProcess(settings) as first:
        await first.start()
        first.signal(signal.SIGTERM)
        await first.ended()
    async with ServiceProcess(settings) as second:
        await second.start()
        assert (await second.event("owner"))["epoch"] == first.named("owner")[0]["epoch"] + 1


async def _health(http: ClientSession) -> tuple[int, dict[str, Any]]:
    async with http.get("/health") as reply:
        return reply.status, await reply.json()


class TestWhileTheDatabaseIsHeld:
    """Another program holds SQLite's write lock, so a commit, and with it the drain, must wait."""

    @pytest.fixture
    def held(self, embedded: Backend) -> Iterator[sqlite3.Connection]:
        path = f"{embedded.settings['DATA_DIR']}/{FILE_NAME}"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            yield connection

    async def _start(self, process: ServiceProcess, held: sqlite3.Connection) -> None:
        await process.start()
        held.execute("BEGIN IMMEDIATE")

    async def _drain(self, process: ServiceProcess, http: ClientSession) -> asyncio.Task[int]:
        """Send an update that can't be committed, and a signal once it is under way."""

        async def call() -> int:
            body = {"workOrderId": order_id(1), "type": "input"}
            async with http.post(UPDATE, json=body) as reply:
                return reply.status

        update = asyncio.create_task(call())
        async with asyncio.timeout(100):
            while True:
                async with http.get("/api/workorder/queue/stats") as reply:
                    stats = (await reply.json())["data"]
                if stats["active"] or stats["delayed"]:
                    break
                await asyncio.sleep(0.005)
        process.signal(signal.SIGTERM)
        await process.event("service_stopping")
        return update

    @pytest.fixture(autouse=True)
    async def an_order(self, embedded: Backend) -> None:
        await embedded.add(order(1))

    async def test_a_draining_node_refuses_new_updates_and_finishes_old_ones(
        self, embedded: Backend, held: sqlite3.Connection
    ) -> None:
        async with ServiceProcess(embedded.settings) as process:
            await self._start(process, held)
            async with ClientSession(process.url) as http:
                update = await self._drain(process, http)
                status, health = await _health(http)
                assert (status, health["role"]) == (503, "draining")
                body = {"workOrderId": order_id(1), "type": "input"}
                async with http.post(UPDATE, json=body) as reply:
                    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
                held.execute("ROLLBACK")
                assert await update == 200
            assert await process.ended() == 0
            assert process.named("service_stopped")[0]["finished"] is True
        async with embedded.store() as store:
            detail = await store.detail(order_id(1))  # type: ignore[arg-type]
        assert detail is not None
        assert detail["inputQuantity"] == 1

    async def test_a_drain_ends_when_its_time_is_up(
        self, embedded: Backend, held: sqlite3.Connection
    ) -> None:
        async with ServiceProcess({**embedded.settings, "SHUTDOWN_S": "2"}) as process:
            await self._start(process, held)
            async with ClientSession(process.url) as http:
                update = await self._drain(process, http)
                code = await process.ended(within_s=100)
                await asyncio.gather(update, return_exceptions=True)
            assert code == 1
            assert process.named("service_killed")[0]["cause"] == "SHUTDOWN_S is over"

    @pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    async def test_a_second_signal_ends_it_at_once(
        self, embedded: Backend, held: sqlite3.Connection, signum: signal.Signals, code: int
    ) -> None:
        async with ServiceProcess({**embedded.settings, "SHUTDOWN_S": "3000"}) as process:
            await self._start(process, held)
            async with ClientSession(process.url) as http:
                update = await self._drain(process, http)
                process.signal(signum)
                assert await process.ended(within_s=100) == code
                await asyncio.gather(update, return_exceptions=True)
            assert process.named("service_killed")[0]["cause"] == signum.name
            assert process.named("service_stopped") == []
