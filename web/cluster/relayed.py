"""What other owners of shards tell of as it happens, beside what happens here."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import ClientError, web

from actors.errors import NotOwner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from aiohttp import ClientResponse

    from web.cluster.peer import PeerWatch

_AT_ONCE: Final = 500
"""Events that wait to be passed on, at most; what is more is not told of."""
_LOOKS_S: Final = 0.5
_LARGEST: Final = 65_536
"""Bytes of one event: what is larger is none of ours."""
_OWN: Final = (b":", b"retry:", b"event: state")
"""How frames begin that are about the stream itself, or the node."""


class Relayed:
    """The events of other nodes, for one reader."""

    def __init__(
        self,
        others: Callable[[], Mapping[str, PeerWatch]],
        follow: Callable[[PeerWatch], AbstractAsyncContextManager[ClientResponse]],
    ) -> None:
        self._others, self._follow = others, follow
        self._frames: deque[bytes] = deque(maxlen=_AT_ONCE)
        self._reading: dict[str, asyncio.Task[None]] = {}

    def take(self) -> bytes:
        """Return what came since it was last asked."""
        frames = b"".join(self._frames)
        self._frames.clear()
        return frames

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the other owners, whoever they are by then."""
        looking = asyncio.get_running_loop().create_task(self._look())
        try:
            yield
        finally:
            tasks = [looking, *self._reading.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            others = self._others()
            for node, task in list(self._reading.items()):
                if node not in others or task.done():
                    task.cancel()
                    del self._reading[node]
            for node, watch in others.items():
                if node not in self._reading:
                    self._reading[node] = asyncio.create_task(self._read(watch))
            await asyncio.sleep(_LOOKS_S)

    async def _read(self, watch: PeerWatch) -> None:
        try:
            async with self._follow(watch) as reply:
                rest = b""
                async for data in reply.content.iter_any():
                    *frames, rest = (rest + data).split(b"\n\n")
                    self._frames.extend(map(_without_id, filter(_is_event, frames)))
                    if len(rest) > _LARGEST:
                        return
        except (ClientError, OSError, NotOwner):
            return  # it is followed anew with the next look


def _is_event(frame: bytes) -> bool:
    return bool(frame) and not frame.startswith(_OWN)


def _without_id(frame: bytes) -> bytes:
    """Leave the number out, which says where to go on in another node's events."""
    lines = frame.split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"id:")) + b"\n\n"


RELAYED: Final = web.RequestKey("relayed", Relayed)
