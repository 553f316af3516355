"""A watch of each part's owner, and others once the orders are cut anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from web.cluster.peer import PeerWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp import ClientSession

    from actors.engine import Part
    from web.app_context import AppContext
    from web.cluster.seal import Seal

_LOOKS_S: Final = 0.25


class Watches:
    """As many as the engine has parts now."""

    def __init__(self, context: AppContext, seal: Seal) -> None:
        self._context, self._seal = context, seal
        self._parts: Sequence[Part] = ()
        self._all: tuple[PeerWatch, ...] = ()
        self._figures: Callable[[], Mapping[str, object]] = dict

    @property
    def all(self) -> tuple[PeerWatch, ...]:
        """One for each part."""
        parts = self._context.node.parts
        if not self._parts or parts[0] is not self._parts[0]:
            many, said = len(parts) > 1, self._context.node.status
            allowed = self._context.options.node_url_allow
            self._parts = parts
            self._all = tuple(
                PeerWatch(part, self._seal, allowed, shard if many else None, said)
                for shard, part in enumerate(parts)
            )
            self.tell(self._figures)
        return self._all

    def tell(self, figures: Callable[[], Mapping[str, object]]) -> None:
        """Have owners told of these figures too, whenever they are asked how they are."""
        self._figures = figures
        for watch in self._all:
            watch.figures = figures

    async def run(self, session: ClientSession) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                watches = self.all
                running = [group.create_task(each.run(session)) for each in watches]
                while self.all is watches:  # noqa: ASYNC110 -- the engine's, which tells nobody
                    await asyncio.sleep(_LOOKS_S)
                for task, watch in zip(running, watches, strict=True):
                    task.cancel()
                    watch.end_waits()
