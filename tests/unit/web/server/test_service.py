"""Starting and stopping: what is closed when something fails on the way."""

from __future__ import annotations

import asyncio
import errno
import socket
import tomllib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession

from actors.errors import StartupError
from config.settings.settings import load_settings
from tests.unit.web.fake_node import FakeNode
from web import VERSION
from web.__main__ import options_of
from web.app import Options, build_app
from web.server.service import Service, bind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.node.node import Node
    from web.server.signals import StopSignals


class LivingNode(FakeNode):
    """A node whose life a test directs, and which writes down what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.start_failure: StartupError | None = None
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.failed = asyncio.Event()

    async def start(self) -> None:
        await self.may_start.wait()
        if self.start_failure is not None:
            raise self.start_failure
        self.done.append("start")

    async def wait_failed(self) -> None:
        await self.failed.wait()

    async def drain(self, timeout_s: float) -> bool:
        self.done.append(f"drain {timeout_s:g}")
        return True

    async def close(self) -> None:
        self.done.append("close")


@dataclass
class FakeStop:
    """Told to stop by the test."""

    name: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    limits: list[float] = field(default_factory=list)

    async def wait(self) -> None:
        await self.asked.wait()

    def exit_after(self, seconds: float) -> None:
        self.limits.append(seconds)


def _service(node: LivingNode, sockets: list[socket.socket]) -> Service:
    return Service(cast("Node", node), build_app(node.as_node(), Options()), sockets, 30)


async def _run(service: Service, stop: FakeStop, started: asyncio.Event | None = None) -> int:
    started = started or asyncio.Event()
    return await service.run(cast("StopSignals", stop), started.set)


async def _refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_nobody_can_connect_before_the_node_has_started() -> None:
    node, stop, sockets = LivingNode(), FakeStop(), bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    node.may_start.clear()
    started = asyncio.Event()
    running = asyncio.create_task(_run(_service(node, sockets), stop, started))
    assert await _refuses(port)
    node.may_start.set()
    await asyncio.wait_for(started.wait(), 100)
    async with ClientSession() as http, http.get(f"http://127.0.0.1:{port}/livez") as reply:
        assert reply.status == 200
    stop.asked.set()
    assert await running == 0
    assert node.done == ["start", "drain 26", "close"]
    assert stop.limits == [30]
    assert await _refuses(port)


async def test_a_node_that_dies_ends_the_process_with_an_error() -> None:
    node, sockets = LivingNode(), bind("127.0.0.1", 0)
    node.failed.set()
    assert await _run(_service(node, sockets), FakeStop()) == 1
    assert node.done[-1] == "close"


async def test_a_node_that_cannot_start_is_closed_again() -> None:
    node, sockets = LivingNode(), bind("127.0.0.1", 0)
    node.start_failure = StartupError("no database")
    with pytest.raises(StartupError, match="no database"):
        await _run(_service(node, sockets), FakeStop())
    assert node.done == ["close"]
    assert sockets[0].fileno() == -1


async def test_a_signal_during_a_slow_start_gives_it_up() -> None:
    node, stop, sockets = LivingNode(), FakeStop(), bind("127.0.0.1", 0)
    node.may_start.clear()
    stop.asked.set()
    assert await _run(_service(node, sockets), stop) == 0
    assert node.done == ["close"]


async def test_a_port_that_was_taken_since_is_a_mistake_of_the_start() -> None:
    node, sockets = LivingNode(), bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    # Two programs may bind a port at the same time; the first to listen has it.
    (other,) = bind("127.0.0.1", port)
    with other:
        other.listen()
        with pytest.raises(StartupError, match=str(port)):
            await _run(_service(node, sockets), FakeStop())
    assert node.done == ["start", "close"]


def test_the_version_shown_is_that_of_the_project() -> None:
    project = Path(__file__).parents[4] / "pyproject.toml"
    assert tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"] == VERSION


def test_the_time_zone_that_is_set_reaches_the_handlers() -> None:
    zone = ZoneInfo("Asia/Tokyo")
    assert options_of(load_settings({"TIME_ZONE": "Asia/Tokyo"})).time_zone == zone
    assert options_of(load_settings({})).time_zone is None


@contextmanager
def _bound(host: str, port: int = 0) -> Iterator[list[tuple[str, int]]]:
    """Give the addresses, and the port of each, that `bind` takes."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(each) for each in bind(host, port)]
        yield [each.getsockname()[:2] for each in sockets]


_plain_socket = socket.socket


class _NoIpv6(socket.socket):
    """What a machine says whose kernel has no IPv6, or has it switched off."""

    failure = 0

    def bind(self, address: Any) -> None:  # noqa: ANN401 -- as the base has it
        if self.family == socket.AF_INET6:
            raise OSError(self.failure, "no IPv6")
        super().bind(address)


@pytest.fixture
def both_loopbacks() -> None:
    try:
        with _bound("::1"):
            pass
    except StartupError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.usefixtures("both_loopbacks")
async def test_localhost_is_both_loopbacks_at_one_port() -> None:
    node, stop, sockets = LivingNode(), FakeStop(), bind(load_settings({}).host, 0)
    port = sockets[0].getsockname()[1]
    addresses = [each.getsockname()[:2] for each in sockets]
    assert addresses == [("127.0.0.1", port), ("::1", port)]
    started = asyncio.Event()
    running = asyncio.create_task(_run(_service(node, sockets), stop, started))
    await asyncio.wait_for(started.wait(), 100)
    async with ClientSession() as http:
        for host in ("127.0.0.1", "[::1]"):
            async with http.get(f"http://{host}:{port}/livez") as reply:
                assert reply.status == 200
    stop.asked.set()
    assert await running == 0


@pytest.mark.parametrize("failure", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_machine_without_ipv6_listens_on_the_other_loopback(
    monkeypatch: pytest.MonkeyPatch, failure: int
) -> None:
    monkeypatch.setattr(_NoIpv6, "failure", failure)
    monkeypatch.setattr(socket, "socket", _NoIpv6)
    with _bound("localhost") as addresses:
        assert [host for host, _ in addresses] == ["127.0.0.1"]
    with pytest.raises(StartupError, match="::1"):
        bind("::1", 0)


@pytest.mark.usefixtures("both_loopbacks")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_at_one_loopback_is_taken(host: str) -> None:
    (other,) = bind(host, 0)
    with other:
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartupError, match=f"HOST localhost, PORT {port}: "):
            bind("localhost", port)


@pytest.mark.usefixtures("both_loopbacks")
def test_a_free_port_is_one_that_is_free_at_both(monkeypatch: pytest.MonkeyPatch) -> None:
    class TakenOnce(_plain_socket):
        def bind(self, _: Any) -> None:  # noqa: ANN401 -- as the base has it
            monkeypatch.setattr(socket, "socket", _plain_socket)
            raise OSError(errno.EADDRINUSE, "taken")

    def first(family: int, kind: int) -> socket.socket:
        return (TakenOnce if family == socket.AF_INET6 else _plain_socket)(family, kind)

    monkeypatch.setattr(socket, "socket", first)
    with _bound("localhost") as addresses:
        assert len({port for _, port in addresses}) == 1
        assert len(addresses) == 2


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(StartupError, match=host):
        bind(host, 0)
