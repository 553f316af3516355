"""Calls where the orders are cut into shards: each goes to the owner of the shard it is about.

A call about one order is answered by its shard's owner, one about all by every owner, of its own
shards, and the answers are put together. What a shard that is away leaves out is said.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
from aiohttp import web
from yarl import URL

from actors.errors import NotOwner
from actors.node.status import Role
from actors.operators.job_admin import LIVE_STATES
from web.cluster.forward import Part
from web.cluster.hop import FORWARDED_BY, refuse_if_misled
from web.cluster.relayed import RELAYED, Relayed
from web.cluster.seal import path_of
from web.wire.bodies import read_body, read_object
from web.wire.merging import PAGED, Data, joined
from web.wire.problems import RequestError
from web.wire.queries import MAX_PAGE_SIZE, parse_job_query, parse_page
from web.wire.replies import success
from web.wire.schemas import parse_job_id, parse_work_order_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiohttp import ClientSession
    from aiohttp.typedefs import Handler

    from web.app_context import AppContext
    from web.cluster.forward import Forwarder
    from web.cluster.peer import PeerWatch
    from web.route import Route

MISSING: Final = "missingShards"
"""Of a reply: the shards that it tells nothing of."""
_VIEW_S: Final = 2.0
"""What an owner that hangs may take of a call that is answered without it."""


class Refused(Exception):
    """What a node answered in the place of data."""

    def __init__(self, reply: web.Response) -> None:
        super().__init__()
        self.reply = reply


@dataclass(frozen=True, slots=True)
class _Source:
    """A node and the shards that it owns; without a watch it is this one."""

    watch: PeerWatch | None
    shards: list[int]


class ShardedCalls:
    """Wraps handlers so that each call is answered by those whose shards it is about."""

    def __init__(self, context: AppContext, forwarder: Forwarder) -> None:
        self._context, self._forwarder = context, forwarder

    def wrap(self, route: Route) -> Handler:
        """Return what answers `route`, whichever nodes own what it is about."""
        here = route.handler
        if route.needs == "stream":
            return self._with_others(here)
        if route.needs in ("nothing", "nodes"):
            return here  # of this node alone

        async def handle(request: web.Request) -> web.StreamResponse:
            refuse_if_misled(request)
            if FORWARDED_BY in request.headers:
                if route.needs == "owner" and not self._owns_any:
                    raise NotOwner("this node owns no shard")
                return await here(request)
            shard = await self._shard_of(request, route) if self.any_elsewhere else None
            if shard is not None:
                return await self._at(request, shard, here, self.session(route))
            if route.merge is None or request.method == "HEAD":
                return await self._anywhere(request, here)
            if route.name == "queueJobs" and (
                parse_job_query(request.query).state not in LIVE_STATES
            ):
                return await here(request)  # as they are stored
            try:
                return await self._everywhere(request, route)
            except Refused as refused:
                return refused.reply

        return handle

    def session(self, route: Route) -> ClientSession | None:
        """Return the connections that a call is handed on by."""
        forwarder = self._forwarder
        return forwarder.updates if route.needs == "actors" else forwarder.operators

    async def _shard_of(self, request: web.Request, route: Route) -> int | None:
        """Return the shard that a call is about; None when it is about all, or not known."""
        node = self._context.node
        match route.scope:
            case "order":
                return node.part_of(parse_work_order_id(request.match_info["id"]))
            case "job":
                job = await node.store.inbox.find(parse_job_id(request.match_info["id"]))
                return None if job is None else node.part_of(job.work_order_id)
            case "body":
                return self.named((await read_object(request)).get("workOrderId"))
        return None

    def named(self, order_id: object) -> int | None:
        """Return the shard of an order as a body names it; None for what is no id."""
        if not isinstance(order_id, str):
            return None
        with suppress(RequestError):
            return self._context.node.part_of(parse_work_order_id(order_id))
        return None

    @property
    def any_elsewhere(self) -> bool:
        """Whether another node owns any shard."""
        return any(part.owner_elsewhere() is not None for part in self._context.node.parts)

    @property
    def _owns_any(self) -> bool:
        return self._context.node.status().role is Role.OWNER

    async def hand_on(self, request: web.Request, watch: PeerWatch, part: Part) -> web.Response:
        """Have a shard's owner answer a part of a batch, as `Forwarder.hand_on` does."""
        return await self._forwarder.hand_on(request, watch, self._forwarder.updates, part)

    def elsewhere(self, shard: int) -> PeerWatch | None:
        """Return the watch of a shard's owner, where another node owns it."""
        part = self._context.node.parts[shard]
        return None if part.owner_elsewhere() is None else self._forwarder.watches[shard]

    async def _at(
        self, request: web.Request, shard: int, here: Handler, session: ClientSession | None
    ) -> web.StreamResponse:
        watch = self.elsewhere(shard)
        if watch is None:
            return await here(request)
        return await self._forwarder.hand_on(request, watch, session)

    async def _anywhere(self, request: web.Request, here: Handler) -> web.StreamResponse:
        """Have it answered here where any shard is owned, else by the first other owner."""
        node = self._context.node
        if self._owns_any or node.owner_elsewhere() is None:
            return await here(request)
        for shard in range(len(node.parts)):
            watch = self.elsewhere(shard)
            if watch is not None and watch.health() is not None:
                return await self._forwarder.hand_on(request, watch, self._forwarder.operators)
        raise NotOwner("no owner of a shard is known")

    def _with_others(self, here: Handler) -> Handler:
        """Wrap the handler of a reply without an end, which tells of other owners' events too."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if FORWARDED_BY in request.headers or request.method == "HEAD":
                return await here(request)
            relayed = Relayed(self._others, partial(self._forwarder.follow, request))
            request[RELAYED] = relayed
            async with relayed.running():
                return await here(request)

        return handle

    def _others(self) -> dict[str, PeerWatch]:
        """Return a watch of each other node that owns a shard, by its name."""
        found: dict[str, PeerWatch] = {}
        for shard in range(len(self._context.node.parts)):
            watch = self.elsewhere(shard)
            peer = watch.peer() if watch is not None else None
            if watch is not None and peer is not None:
                found.setdefault(peer.holder.node, watch)
        return found

    # -- all of them -------------------------------------------------------------------------

    async def _everywhere(self, request: web.Request, route: Route) -> web.StreamResponse:
        if request.can_read_body:
            await read_body(request)  # once, before several go on with it
        sources, missing = self._sources()
        if not sources:
            if route.needs == "view":
                return await route.handler(request)  # as it is stored
            raise NotOwner("no owner of a shard is known")
        told = await asyncio.gather(
            *(self._told(request, route, source) for source in sources), return_exceptions=True
        )
        every: list[Data] = []
        for source, answer in zip(sources, told, strict=True):
            if not isinstance(answer, BaseException):
                every.append(answer)
            elif request.method == "GET" and isinstance(answer, (NotOwner, TimeoutError)):
                missing += source.shards
            else:
                raise answer
        if not every or route.merge is None:
            raise NotOwner("no owner of a shard answers")
        data = route.merge(request.query, every)
        extra = {MISSING: sorted(missing)} if missing else {}
        return success(request, data, route.text, data, **extra)

    def _sources(self) -> tuple[list[_Source], list[int]]:
        """Return who can tell of which shards, this node first, and the shards that none can."""
        by_node: dict[str, _Source] = {}
        missing: list[int] = []
        parts = zip(self._context.node.parts, self._forwarder.watches, strict=True)
        for shard, (part, watch) in enumerate(parts):
            owner = watch.health()
            if part.status().role is Role.OWNER:
                by_node.setdefault("", _Source(None, [])).shards.append(shard)
            elif owner is not None:
                by_node.setdefault(owner.node, _Source(watch, [])).shards.append(shard)
            else:
                missing.append(shard)
        return list(by_node.values()), missing

    async def _told(self, request: web.Request, route: Route, source: _Source) -> Data:
        """Return what one node tells of its shards, in one or in several replies.

        Raises `NotOwner` or `TimeoutError` where it gave no answer, and `Refused`.
        """
        paths: Iterable[str] = (path_of(request),)
        if route.merge in PAGED:
            paths = _first_pages(request)
        told: list[Data] = []
        for path in paths:
            reply = await self._one(request, route, source, path)
            body = body_of(reply)
            if reply.status == HTTPStatus.SERVICE_UNAVAILABLE and request.method == "GET":
                raise NotOwner("it owns no shard any more")
            if reply.status != HTTPStatus.OK:
                raise Refused(reply)
            told.append(body["data"])
            if route.merge in PAGED and len(told) >= body["data"]["totalPages"]:
                break
        return joined(told) if len(told) > 1 else told[0]

    async def _one(
        self, request: web.Request, route: Route, source: _Source, path: str
    ) -> web.Response:
        if source.watch is None:
            asked = request
            if route.merge in PAGED:
                asked = request.clone(rel_url=URL(path, encoded=True))
            reply = await route.handler(asked)
            assert isinstance(reply, web.Response)  # noqa: S101 -- no stream can be put together
            return reply
        session = self._forwarder.operators
        limit_s = _VIEW_S if request.method == "GET" else None
        try:
            async with asyncio.timeout(limit_s):
                return await self._forwarder.hand_on(
                    request, source.watch, session, Part(path=path)
                )
        except RequestError as error:
            if request.method == "GET":
                raise NotOwner("the owner gives no answer") from error
            raise


def body_of(reply: web.Response) -> dict[str, Any]:
    """Read what a node, or this one, replied."""
    data: dict[str, Any] = orjson.loads(cast("bytes", reply.body))
    return data


def _first_pages(request: web.Request) -> Iterator[str]:
    """Return the paths by which a node tells all rows up to the page that is asked for."""
    page, size = parse_page(request.query)
    most = min(page * size, MAX_PAGE_SIZE)
    for number in range(1, -(-page * size // most) + 1):
        yield str(request.rel_url.update_query(page=number, pageSize=most))
