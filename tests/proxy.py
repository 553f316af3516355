"""A TCP proxy that does to a wire what networks do: cuts, black holes, delays, losses.

Bytes that were lost in the middle of a connection make the rest of it worthless, so such a
connection is broken as soon as the wire passes again. Bytes that are held stay in order, and are
delivered when they are released, even if their sender is gone by then.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

HOST: Final = "127.0.0.1"
_CHUNK: Final = 2**18
_DEADLINE_S: Final = 100


class Flow(Enum):
    """What happens to the bytes of one direction."""

    PASS = "pass"  # noqa: S105 -- not a secret
    DROP = "drop"
    HOLD = "hold"


Part = Literal["command", "answer"]


@dataclass(frozen=True, slots=True)
class Weather:
    """What a wire does; delays are seconds for each chunk of bytes, shares are of all chunks."""

    up: bool = True
    """Down: connections break, and new ones are broken at once."""
    requests: Flow = Flow.PASS
    replies: Flow = Flow.PASS
    request_delay_s: float = 0.0
    reply_delay_s: float = 0.0
    late_share: float = 0.0
    """Of the requests: delivered up to `late_s` later, even if their sender is gone by then."""
    late_s: float = 0.0
    lost_share: float = 0.0
    """Of the replies: lost, and the client's connection with them."""
    breaks_at: tuple[Part, bytes] | None = None
    """Bytes of a request before which, or before whose answer, the connection breaks."""


FAIR: Final = Weather()


class Wire:
    """One proxied server: connect to `port` in place of the server's own. Safe from any thread."""

    def __init__(self, wires: Wires, target_port: int) -> None:
        self.port = free_port()
        self.target_port = target_port
        self._wires = wires
        self._weather = FAIR
        self._changed = asyncio.Event()
        self._connections: set[_Connection] = set()
        self._random = Random(target_port)  # noqa: S311 -- a drill, not a secret
        self.mishaps = 0
        """What became late or was lost by shares or by `lose`."""
        self._server: asyncio.Server | None = None

    @property
    def weather(self) -> Weather:
        return self._weather

    def passes(self) -> None:
        """Work again; what was held is delivered, connections that lost bytes break."""
        self.set(FAIR)

    def cut(self) -> None:
        """Break all connections, and each new one."""
        self.set(Weather(up=False))

    def swallow(self) -> None:
        """Take connections and bytes, and deliver nothing: a black hole."""
        self.set(Weather(requests=Flow.DROP, replies=Flow.DROP))

    def drop_replies(self) -> None:
        """Deliver requests and lose what is answered."""
        self.set(Weather(replies=Flow.DROP))

    def hold_requests(self) -> None:
        """Keep requests under way until the wire passes again."""
        self.set(Weather(requests=Flow.HOLD))

    def hold_replies(self) -> None:
        """Keep answers under way until the wire passes again."""
        self.set(Weather(replies=Flow.HOLD))

    def delay(self, requests_s: float = 0.0, replies_s: float = 0.0) -> None:
        """Deliver each chunk of bytes that much later."""
        self.set(Weather(request_delay_s=requests_s, reply_delay_s=replies_s))

    def lose(self, part: Part, command: str, collection: str) -> None:
        """Break connections before the server, or before the client, has what is named.

        `command` and `collection` are MongoDB's, as in ``{update: "orders"}``.
        """
        name = collection.encode()
        length = (len(name) + 1).to_bytes(4, "little")
        marker = b"\x02" + command.encode() + b"\x00" + length + name + b"\x00"
        self.set(Weather(breaks_at=(part, marker)))

    def strikes(self, share: float) -> bool:
        """Tell whether the next chunk is one of that share; counts those that are."""
        struck = share > 0 and self._random.random() < share
        self.mishaps += struck
        return struck

    def uniform_s(self, longest_s: float) -> float:
        """Draw a time up to that."""
        return self._random.uniform(0, longest_s)

    def set(self, weather: Weather) -> None:
        """Change the weather; returns when it has changed."""
        self._wires.run(self._set(weather))

    @property
    def held(self) -> int:
        """Count the connections with bytes that wait for their release."""
        return sum(each.holding > 0 for each in tuple(self._connections))

    @property
    def damaged(self) -> int:
        """Count the connections that lost bytes."""
        return sum(each.damaged for each in tuple(self._connections))

    async def open(self) -> None:
        """Listen; on the proxy's own loop."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=4 * _CHUNK)

    async def close(self) -> None:
        """Break all connections and stop listening."""
        assert self._server is not None
        self._server.close()
        for each in tuple(self._connections):
            each.abort()
        self._changed.set()

    async def clear(self, flow: Callable[[Weather], Flow]) -> None:
        """Return when that direction holds nothing back."""
        while flow(self._weather) is Flow.HOLD:
            await self._changed.wait()

    async def _set(self, weather: Weather) -> None:
        self._weather = weather
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        loses = Flow.DROP in (weather.requests, weather.replies)
        for each in tuple(self._connections):
            if not weather.up or (each.damaged and not loses):
                each.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._weather.up:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection(HOST, self.target_port, limit=4 * _CHUNK)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, (reader, writer), there)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """A client's connection and the one to the server that goes with it."""

    def __init__(self, wire: Wire, client: _Ends, server: _Ends) -> None:
        self.damaged = False
        """Bytes of it were lost."""
        self.holding = 0
        self._losing_answer = False
        self._last = b""
        """The end of what was requested, where a marker may have begun."""
        self._wire = wire
        self._client, self._server = client, server

    async def run(self) -> None:
        """Carry bytes both ways until both ends have closed."""
        (from_client, to_client), (from_server, to_server) = self._client, self._server
        try:
            await asyncio.gather(
                self._carry(
                    from_client,
                    to_server,
                    lambda w: w.requests,
                    lambda w: w.request_delay_s,
                    self._breaks_request,
                ),
                self._carry(
                    from_server,
                    to_client,
                    lambda w: w.replies,
                    lambda w: w.reply_delay_s,
                    self._loses_reply,
                ),
            )
        finally:
            self.abort()

    async def _breaks_request(self, chunk: bytes) -> bool:
        """Do to a request what befalls single ones; tell whether the connection broke at it."""
        wire, weather = self._wire, self._wire.weather
        if wire.strikes(weather.late_share):
            await asyncio.sleep(wire.uniform_s(weather.late_s))
        if weather.breaks_at is None:
            return False
        part, marker = weather.breaks_at
        found = marker in self._last + chunk
        self._last = (self._last + chunk)[-len(marker) :]
        if found:
            self._last = b""
            wire.mishaps += 1
            self._losing_answer = part == "answer"
        return found and part == "command"

    async def _loses_reply(self, _chunk: bytes) -> bool:
        """Tell whether the client's connection breaks at this reply; the server's goes on."""
        wire = self._wire
        if self._losing_answer or wire.strikes(wire.weather.lost_share):
            self._client[1].transport.abort()
        return False

    def abort(self) -> None:
        """Break it, seen from both ends."""
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flow: Callable[[Weather], Flow],
        delay_s: Callable[[Weather], float],
        breaks_at: Callable[[bytes], Awaitable[bool]],
    ) -> None:
        wire = self._wire
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if delay_s(wire.weather):
                    await asyncio.sleep(delay_s(wire.weather))
                if flow(wire.weather) is Flow.HOLD:
                    self.holding += 1
                    await wire.clear(flow)
                    self.holding -= 1
                if flow(wire.weather) is Flow.DROP:
                    self.damaged = True
                    continue
                if await breaks_at(chunk):
                    self.abort()
                    return
                if writer.is_closing():
                    continue
                writer.write(chunk)
                await writer.drain()
        with suppress(OSError):
            if not self.damaged and writer.can_write_eof():
                writer.write_eof()


class Wires:
    """All wires of a run, in a thread of their own; as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: list[Wire] = []

    def to(self, target_port: int) -> Wire:
        """Lay a wire to a server on loopback; it need not run yet."""
        wire = Wire(self, target_port)
        self.run(wire.open())
        self._open.append(wire)
        return wire

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something on the wires' loop; returns when it is done."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_DEADLINE_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for wire in self._open:
            self.run(wire.close())
        self.run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_DEADLINE_S)
        self._loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # Transports that were aborted close in the loop's next turns.
    for _ in range(3):
        await asyncio.sleep(0)
