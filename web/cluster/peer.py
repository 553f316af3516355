"""The owner as a standby sees it: where it is, and whether it serves updates."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
import structlog
from aiohttp import ClientError

from actors.node.status import Role
from web.cluster.neighbours import REPORT, report_of
from web.cluster.origins import Origins
from web.cluster.seal import REFUSED_SIGNATURE, SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from aiohttp import ClientSession
    from yarl import URL

    from actors.engine import Part
    from actors.lease import Holder
    from actors.node.status import NodeStatus
    from web.cluster.seal import Seal

_LOOKS_S: Final = 0.25
_ENDS_S: Final = 0.1
"""Between two looks at the owners that calls wait for; it costs nothing while none does."""
_PROBES_S: Final = 0.5
_PROBE_LIMIT_S: Final = 1.0
_MAX_HEALTH_BYTES: Final = 65_536
_LAST_REPLIES_S: Final = 0.25
"""How long a reply of an owner that gave up its lease may still be under way."""
_BEFORE_WE_STOP_S: Final = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """The node that holds the lease, and where it may be reached."""

    holder: Holder
    url: URL


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """What the owner said last when it was asked how it is."""

    node: str
    epoch: int
    paused: bool


class SecretDiffers(Exception):
    """The owner has another secret: it takes nothing that this node hands on."""


class PeerWatch:
    """Knows the present owner, asks it how it is, and ends the wait for one that is gone."""

    def __init__(
        self,
        part: Part,
        seal: Seal,
        allowed: Sequence[str],
        shard: int | None,
        said: Callable[[], NodeStatus],
    ) -> None:
        """Watch the owner of `part`; `said` is what this node reports of itself, as a whole."""
        self._shard = shard
        self._said = said
        self._part = part
        self._seal = seal
        self._is_refused = False
        self._origins = Origins(allowed)
        self._known: tuple[Holder, Peer | None] | None = None
        self._seen: tuple[Holder, PeerHealth | None] | None = None
        self._probed_at = 0.0
        self._waiting: dict[asyncio.Timeout, Holder] = {}
        self.figures: Callable[[], Mapping[str, object]] = dict
        """What this node tells the owner of itself, beside its status."""

    # -- who and where -----------------------------------------------------------------------

    def peer(self) -> Peer | None:
        """Return the owner to forward to; None when none is known.

        None too if its URL is not allowed, or the store does not name it as the lease does.
        """
        holder = self._part.owner_elsewhere()
        if holder is None or not self._part.confirms(holder):
            return None
        if self._known is None or self._known[0] != holder:
            self._known = (holder, self._reachable(holder))
        return self._known[1]

    def _reachable(self, holder: Holder) -> Peer | None:
        url = self._origins.base_url(holder.url)
        # A lease that an earlier process left behind may hold our own address.
        if url is not None and holder.url != self._part.status().url:
            return Peer(holder, url)
        reason = "not in NODE_URL_ALLOW" if url is None else "the address of this node itself"
        _log.warning("forward_refused", node=holder.node, url=holder.url, reason=reason)
        return None

    def health(self) -> PeerHealth | None:
        """Tell how the present owner is; None unless it said lately that it serves updates."""
        peer, seen = self.peer(), self._seen
        if peer is None or seen is None or seen[0].token != peer.holder.token:
            return None
        return seen[1]

    def trouble(self) -> str | None:
        """Say why updates can't be handed to the owner; None when they can, or there is none."""
        holder = self._part.owner_elsewhere()
        if holder is None or self.health() is not None:
            return None
        if not self._part.confirms(holder):
            return f"the store does not name {holder.node} and its address as the owner's"
        if self.peer() is None:
            return f"the address of the owner, {holder.node}, is not one to forward to"
        if self._is_refused:
            return f"the owner, {holder.node}, has another CLUSTER_SECRET than this node"
        return f"the owner, {holder.node}, does not say that it serves updates"

    # -- waiting for it ----------------------------------------------------------------------

    @contextmanager
    def waiting(self, limit: asyncio.Timeout, holder: Holder) -> Iterator[None]:
        """Bring `limit` forward when `holder` loses the lease meanwhile."""
        self._waiting[limit] = holder
        try:
            yield
        finally:
            self._waiting.pop(limit, None)

    def end_waits(self) -> None:
        """End the waits for owners that are gone: a hung one never answers."""
        if not self._waiting:
            return
        holder = self._part.owner_elsewhere()
        stopping = self._part.status().role in (Role.DRAINING, Role.STOPPED)
        grace_s = _BEFORE_WE_STOP_S if stopping else _LAST_REPLIES_S
        end = asyncio.get_running_loop().time() + grace_s
        for limit, waited_for in list(self._waiting.items()):
            if holder is not None and holder.token == waited_for.token:
                continue
            del self._waiting[limit]
            if not limit.expired() and (limit.when() or end) >= end:
                limit.reschedule(end)

    # -- how it is ---------------------------------------------------------------------------

    async def probe(self, session: ClientSession) -> None:
        """Ask the owner, if there is one, how it is."""
        peer = self.peer()
        if peer is None:
            self._seen = None
            return
        headers = {REPORT: report_of(self._said(), self.figures())}
        self._seal.sign("GET", "/health", headers)
        try:
            self._seen = (peer.holder, await _ask(session, peer, headers, self._shard))
        except SecretDiffers:
            self._seen = (peer.holder, None)
            if not self._is_refused:
                _log.error("node_secret_differs", node=peer.holder.node, url=peer.holder.url)
            self._is_refused = True
        else:
            self._is_refused = False

    # -- again and again ---------------------------------------------------------------------

    async def run(self, session: ClientSession) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(repeat(_LOOKS_S, lambda: self._probe_in_time(session)))
            group.create_task(repeat(_ENDS_S, self._look))

    async def _probe_in_time(self, session: ClientSession) -> None:
        """Ask each `_PROBES_S`; at each look where the owner is new, or did not serve as yet."""
        now = time.monotonic()
        if self.health() is None or now - self._probed_at >= _PROBES_S:
            self._probed_at = now
            await self.probe(session)

    async def _look(self) -> None:
        self.end_waits()


async def repeat(every_s: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do `step` again and again until cancelled, whatever becomes of it."""
    while True:
        try:
            await step()
        except Exception:  # noqa: BLE001 one bad look must not be the last
            _log.exception("peer_watch_failed")
        await asyncio.sleep(every_s)


async def _ask(
    session: ClientSession, peer: Peer, headers: Mapping[str, str], shard: int | None
) -> PeerHealth | None:
    try:
        async with (
            asyncio.timeout(_PROBE_LIMIT_S),
            session.get(peer.url / "health", headers=headers, allow_redirects=False) as reply,
        ):
            if reply.headers.get(SIGNATURE) == REFUSED_SIGNATURE:
                raise SecretDiffers
            body = orjson.loads(await reply.content.readexactly(_length(reply.content_length)))
    except (ClientError, OSError, EOFError, ValueError, TimeoutError):
        return None
    if shard is not None:
        return _of_shard(body, peer.holder, shard)
    match body:
        case {"status": "ok", "role": "owner", "node": node, "paused": bool(paused)} if (
            node == peer.holder.node
        ):
            return PeerHealth(peer.holder.node, peer.holder.epoch, paused)
        case _:
            return None


def _of_shard(body: object, holder: Holder, shard: int) -> PeerHealth | None:
    """Return what a node said of one of its shards, if it serves that."""
    match body:
        case {"node": holder.node, "paused": bool(paused), "shards": [*shards]}:
            mine = {"shard": shard, "node": holder.node, "serving": True}
            if any(isinstance(each, dict) and each.items() >= mine.items() for each in shards):
                return PeerHealth(holder.node, holder.epoch, paused)
    return None


def _length(announced: int | None) -> int:
    if announced is None or announced > _MAX_HEALTH_BYTES:
        raise ValueError("not an answer of ours")
    return announced
