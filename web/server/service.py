"""Run one node behind one HTTP server: start, serve, stop in reverse."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.errors import StartupError
from web.app_context import CONTEXT
from web.server.connections import GuardedSite, Limits, allow_files
from web.server.front import RUNNER_OPTIONS, FrontRunner
from web.server.places import Places
from web.server.refusals import Refusals
from web.wire.cuts import CUTS
from web.wire.room import ROOM

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from aiohttp import web

    from actors.engine import Engine
    from web.server.signals import StopSignals

_LAST_REPLIES_S: Final[float] = RUNNER_OPTIONS["shutdown_timeout"]
"""How long requests that the drain answered may take to send their reply."""

_Address = tuple[int, tuple[Any, ...]]
_LOCALHOST: Final = "localhost"
_LOOPBACKS: Final[Sequence[_Address]] = (
    (socket.AF_INET, ("127.0.0.1", 0)),
    (socket.AF_INET6, ("::1", 0, 0, 0)),
)
_ABSENT: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_TRIES_FOR_A_PORT: Final = 10
"""What is free at one address, and was chosen for it, may be taken at the next."""

_log = structlog.get_logger(__name__)


def bind(host: str, port: int) -> list[socket.socket]:
    """Take the addresses to listen on; nobody can connect before `serve`.

    `localhost` is both loopbacks, whatever the machine's files say of it; one that the machine
    lacks, as without IPv6, is left out. Raises `StartupError` when an address is taken or is not
    one of this machine.
    """
    tries = 1 if port else _TRIES_FOR_A_PORT
    while True:
        tries -= 1
        try:
            return _bind(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not tries:
                raise _not_available(host, port, error) from error


def _bind(host: str, port: int) -> list[socket.socket]:
    addresses = _LOOPBACKS if host.lower() == _LOCALHOST else _addresses(host)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    with ExitStack() as on_failure:
        for family, address in addresses:
            # With port 0 all addresses share the port that the first one was given.
            shared = sockets[0].getsockname()[1] if sockets else port
            try:
                sock = _bind_one(family, address, shared)
            except OSError as error:
                if addresses is not _LOOPBACKS or error.errno not in _ABSENT:
                    raise
                absent = error
            else:
                sockets.append(on_failure.enter_context(sock))
        if absent is not None and not sockets:
            raise absent
        on_failure.pop_all()
    return sockets


def _addresses(host: str) -> Sequence[_Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind_one(family: int, address: tuple[Any, ...], port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address[0], port, *address[2:]))
        sock.setblocking(False)  # noqa: FBT003 the standard library's signature
    except OSError:
        sock.close()
        raise
    return sock


def _not_available(host: str, port: int, error: OSError) -> StartupError:
    return StartupError(f"can't listen on HOST {host}, PORT {port}: {error.strerror or error}")


@dataclass(frozen=True, slots=True)
class Service:
    """One node, its application and the sockets it is reached at."""

    node: Engine
    app: web.Application
    sockets: Sequence[socket.socket]
    shutdown_s: float

    async def run(self, stop: StopSignals, started: Callable[[], None]) -> int:
        """Start, call `started`, serve until told to stop; give the exit code.

        Raises `StartupError`.
        """
        runner = FrontRunner(self.app)
        try:
            if not await _unless(stop, self.node.start()):
                return 0
            await self._listen(runner)
            started()
            failed = await _unless(stop, self.node.wait_failed())
            if failed:
                _log.error("node_failed", node=self.node.node_id)
            await self._drain(stop)
            return 1 if failed else 0
        finally:
            await runner.cleanup()
            for sock in self.sockets:
                sock.close()
            await self.node.close()

    async def _listen(self, runner: web.AppRunner) -> None:
        await runner.setup()
        options = self.app[CONTEXT].options
        most = allow_files(options.max_connections)
        limits = Limits(
            Places(most),
            options.body_timeout_s,
            options.unread_timeout_s,
            Refusals(self.app[CONTEXT]),
            self.app[CUTS],
            self.app[ROOM].pace,
        )
        for sock in self.sockets:
            host, port = sock.getsockname()[:2]
            try:
                await GuardedSite(runner, sock, limits).start()
            except OSError as error:
                raise _not_available(host, port, error) from error

    async def _drain(self, stop: StopSignals) -> None:
        """Finish what is queued while new updates get 503, and status calls their answers."""
        stop.exit_after(self.shutdown_s)
        _log.info("service_stopping", signal=stop.name or None, within_s=self.shutdown_s)
        # What follows the drain needs its share of the time.
        timeout_s = max(self.shutdown_s - 2 * _LAST_REPLIES_S, self.shutdown_s / 2)
        finished = await self.node.drain(timeout_s)
        _log.info("service_stopped", finished=finished)


async def _unless(stop: StopSignals, work: Coroutine[object, object, None]) -> bool:
    """Wait for `work` to be done; give it up, and return False, when told to stop."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        return False
    await task
    return True
