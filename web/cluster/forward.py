"""Hand calls that need the owner to the owner: one hop, nothing repeated, its answer unchanged."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Final

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from actors.errors import NotOwner
from actors.node.status import Role
from web.app_context import CALL
from web.clients.python.session import Attempt, open_session
from web.cluster.hop import (
    CALLER,
    DEADLINE,
    FORWARDED_BY,
    FORWARDED_TO,
    REFUSED,
    allowed_s,
    headers_of,
    refuse_if_misled,
)
from web.cluster.peer import PeerHealth, PeerWatch, repeat
from web.cluster.seal import path_of
from web.cluster.watches import Watches
from web.tracing.port import UNTRACED
from web.wire.bodies import read_body
from web.wire.problems import NOT_APPLIED, READ_TOO_LONG, Problem, RequestError
from web.wire.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp.typedefs import Handler
    from multidict import CIMultiDict

    from web.app_context import AppContext
    from web.cluster.peer import Peer
    from web.cluster.seal import Seal
    from web.tracing.port import Tracing, Work
    from web.wire.streams import Stream

_SERVED_BY: Final = "X-Served-By"
_REPLY_HEADERS: Final = ("Content-Type", "Retry-After", _SERVED_BY, "Allow")
_UPDATES_AT_ONCE: Final = 512
_OPERATORS_AT_ONCE: Final = 16
_STREAMS_AT_ONCE: Final = 64
_STREAM_LOOKS_S: Final = 0.1
_SILENT_S: Final = 15.0
"""Longer than a stream is ever silent: an owner that is says no more."""
_VIEW_S: Final = 2.0
"""What an owner that hangs may take of a call that any node can answer."""
_WAY_BACK_S: Final = 0.5
"""Of the time for a call, what the owner's last word and its way back may take."""
_LARGE: Final = 2**20
"""Bytes from which aiohttp wants a body as a file, to send it in pieces."""
_LEARNS_S: Final = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A call as it is sent on, and by when (loop time) its answer must be here."""

    method: str
    path: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes
    remote: str
    end: float
    watch: PeerWatch


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent on in the place of a call's own: a body with some of its items; a path."""

    body: bytes | None = None
    path: str | None = None


WHOLE_CALL: Final = Part()


class Forwarder:
    """Serves calls here while this node is the owner, and at the owner while another one is."""

    def __init__(self, context: AppContext, seal: Seal, tracing: Tracing = UNTRACED) -> None:
        self._context = context
        self._seal = seal
        self._tracing = tracing
        self._watches = Watches(context, seal)
        self.updates: aiohttp.ClientSession | None = None
        self.operators: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None

    async def open(self, _app: web.Application) -> AsyncIterator[None]:
        """Open the connections to other nodes; close them when the application ends."""
        async with (
            open_session(_UPDATES_AT_ONCE, keep_alive=True) as self.updates,
            # Of their own: updates that wait must not keep an operator from resuming them.
            open_session(_OPERATORS_AT_ONCE, keep_alive=False) as self.operators,
            open_session(_STREAMS_AT_ONCE, keep_alive=False) as self._streams,
        ):
            watching = asyncio.create_task(self._watch())
            yield
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        if self.operators is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watches.run(self.operators))
            store = self._context.node.store
            group.create_task(repeat(_LEARNS_S, lambda: self._seal.learn(store)))

    @property
    def watches(self) -> tuple[PeerWatch, ...]:
        """One for each part that has an owner of its own."""
        return self._watches.all

    @property
    def watch(self) -> PeerWatch:
        """That of the first part: of all orders where there are no shards."""
        return self.watches[0]

    def tell(self, figures: Callable[[], Mapping[str, object]]) -> None:
        """Have owners told of these figures too, whenever they are asked how they are."""
        self._watches.tell(figures)

    def owner(self) -> PeerHealth | None:
        """Return the node by which updates that come here are served; None when none can be.

        None too while any shard has none; of the nodes that own some, this one comes first.
        """
        found = self.owners()
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return None
        here = self._context.node.node_id
        return min(known, key=lambda each: each.node != here)

    def owners(self) -> list[PeerHealth | None]:
        """Return for each shard the node that serves it."""
        return [
            PeerHealth(status.node, status.epoch, status.paused)
            if (status := part.status()).serving
            else watch.health()
            for part, watch in zip(self._context.node.parts, self.watches, strict=True)
        ]

    def trouble(self) -> str | None:
        """Say why updates can't be handed to an owner; None when they can, or there is none."""
        found = ((shard, watch.trouble()) for shard, watch in enumerate(self.watches))
        many = len(self.watches) > 1
        told = (f"shard {shard}: {why}" if many else why for shard, why in found if why)
        return next(told, None)

    def update(self, here: Handler) -> Handler:
        """Wrap the handler of updates, which the region refuses on a node that is no owner."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if self._context.node.owner_elsewhere() is not None:
                return await self.hand_on(request, self.watch, self.updates)
            refuse_if_misled(request)
            return await here(request)

        return handle

    def operate(self, here: Handler) -> Handler:
        """Wrap the handler of a call to which only the owner knows the answer."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if self._context.node.owner_elsewhere() is not None:
                return await self.hand_on(request, self.watch, self.operators)
            refuse_if_misled(request)
            if self._context.node.status().role is not Role.OWNER:
                raise NotOwner("this node does not own the actors")
            return await here(request)

        return handle

    def view(self, here: Handler, *, always: bool = False) -> Handler:
        """Wrap the handler of a call that the owner answers best, and any node somehow.

        With `always`, where the owner can't be asked too.
        """

        async def handle(request: web.Request) -> web.StreamResponse:
            if self._context.node.owner_elsewhere() is None or FORWARDED_BY in request.headers:
                return await here(request)
            if not always:
                return await self.hand_on(request, self.watch, self.operators)
            if self.watch.health() is not None:
                with suppress(TimeoutError, NotOwner, RequestError):
                    async with asyncio.timeout(_VIEW_S):
                        return await self.hand_on(request, self.watch, self.operators)
            return await here(request)

        return handle

    def stream(self, here: Handler) -> Handler:
        """Wrap the handler of a reply without an end, which is passed on as it comes."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if self._context.node.owner_elsewhere() is None or FORWARDED_BY in request.headers:
                return await here(request)
            return await self._streamed(request)

        return handle

    @asynccontextmanager
    async def follow(
        self, request: web.Request, watch: PeerWatch
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open the reply of an owner to a call that has no end.

        Raises `NotOwner` where none is known, `ClientError` and `OSError`.
        """
        peer = watch.peer()
        if peer is None or self._streams is None:
            raise NotOwner("another node owns the actors")
        headers = headers_of(request)
        headers[FORWARDED_BY] = self._context.node.node_id
        headers[FORWARDED_TO] = peer.holder.node
        self._seal.sign("GET", path_of(request), headers)
        async with self._streams.get(
            _target(peer, path_of(request)),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=1.0, sock_read=_SILENT_S),
        ) as reply:
            yield reply

    async def _streamed(self, request: web.Request) -> web.StreamResponse:
        peer = self.watch.peer()
        if peer is None:
            raise NotOwner("another node owns the actors")
        try:
            async with self.follow(request, self.watch) as reply:
                if reply.content_type != "text/event-stream":
                    return await self._passed_back(reply)
                async with request.app[STREAMS].open(request) as stream:
                    await self._copy(reply, stream, peer)
                    return stream.response
        except (aiohttp.ClientError, OSError) as error:
            raise RequestError(READ_TOO_LONG) from error

    async def _copy(self, reply: aiohttp.ClientResponse, stream: Stream, peer: Peer) -> None:
        """Pass on what comes, until either side ends or the owner is another one."""
        reading = asyncio.ensure_future(reply.content.readany())
        try:
            while await stream.goes_on(0 if reading.done() else _STREAM_LOOKS_S):
                holder = self._context.node.owner_elsewhere()
                if holder is None or holder.token != peer.holder.token:
                    break
                if reading.done():
                    data = reading.result()
                    if not data:
                        break
                    await stream.send(data)
                    reading = asyncio.ensure_future(reply.content.readany())
        except (aiohttp.ClientError, OSError):
            return  # the reader comes again by itself
        finally:
            reading.cancel()

    async def hand_on(
        self,
        request: web.Request,
        watch: PeerWatch,
        session: aiohttp.ClientSession | None,
        part: Part = WHOLE_CALL,
    ) -> web.Response:
        """Have the owner that `watch` watches answer a call, or a part of it.

        Raises `NotOwner` where none is known, and `RequestError` where it gave no answer.
        """
        peer = watch.peer()
        if FORWARDED_BY in request.headers or peer is None or session is None:
            raise NotOwner("another node owns the actors")
        end = asyncio.get_running_loop().time() + allowed_s(request)
        headers = headers_of(request)
        # Whole, and within its limits, before anything of it is sent on.
        body = await read_body(request) if part.body is None else part.body
        path = path_of(request) if part.path is None else part.path
        outgoing = _Outgoing(
            request.method,
            path,
            _target(peer, path),
            headers,
            body,
            request.remote or "",
            end,
            watch,
        )
        attempt = Attempt()
        hop = self._hop(request, peer, outgoing)
        status = None
        try:
            reply = await self._send(session, peer, outgoing, attempt)
            status = reply.status
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            _log.warning(
                "forward_failed",
                node=peer.holder.node,
                url=peer.holder.url,
                request_id=request[CALL].trace.http_request_id,
                **request[CALL].trace.ids(),
                sent=attempt.connected,
                error=str(error) or type(error).__name__,
            )
            raise RequestError(_problem(request.method, attempt)) from error
        finally:
            hop.end(status)
        return reply

    def _hop(self, request: web.Request, peer: Peer, outgoing: _Outgoing) -> Work:
        call = request[CALL]
        hop = self._tracing.hop(
            request.method, call.route, call.trace.traceparent, peer.holder.node
        )
        if hop.traceparent:
            outgoing.headers["traceparent"] = hop.traceparent
        return hop

    async def _send(
        self, session: aiohttp.ClientSession, peer: Peer, outgoing: _Outgoing, attempt: Attempt
    ) -> web.Response:
        left_s = outgoing.end - asyncio.get_running_loop().time()
        outgoing.headers[FORWARDED_BY] = self._context.node.node_id
        outgoing.headers[FORWARDED_TO] = peer.holder.node
        outgoing.headers[CALLER] = outgoing.remote
        outgoing.headers[DEADLINE] = str(_owners_share_ms(left_s))
        self._seal.sign(outgoing.method, outgoing.path, outgoing.headers, outgoing.body)
        async with asyncio.timeout_at(outgoing.end) as limit:
            with outgoing.watch.waiting(limit, peer.holder):
                async with session.request(
                    outgoing.method,
                    outgoing.url,
                    data=outgoing.body if len(outgoing.body) <= _LARGE else BytesIO(outgoing.body),
                    headers=outgoing.headers,
                    allow_redirects=False,
                    trace_request_ctx=attempt,
                ) as reply:
                    return await self._passed_back(reply)

    async def _passed_back(self, reply: aiohttp.ClientResponse) -> web.Response:
        if reply.status == HTTPStatus.SERVICE_UNAVAILABLE and REFUSED in reply.headers:
            raise RequestError(NOT_APPLIED)
        if _SERVED_BY not in reply.headers or 300 <= reply.status < 400:  # noqa: PLR2004
            raise aiohttp.ClientPayloadError("what answered is not a node")
        body = await reply.read()
        headers = self._context.headers.copy()
        for name in _REPLY_HEADERS:
            if name in reply.headers:
                headers[name] = reply.headers[name]
        headers[FORWARDED_BY] = self._context.node.node_id
        return web.Response(body=body, status=reply.status, headers=headers)


FORWARDER: Final = web.AppKey("forwarder", Forwarder)


def _target(peer: Peer, path: str) -> URL:
    return peer.url.join(URL(peer.url.raw_path.rstrip("/") + path, encoded=True))


def _owners_share_ms(left_s: float) -> int:
    return max(0, int(1000 * max(left_s - _WAY_BACK_S, left_s / 2)))


def _problem(method: str, attempt: Attempt) -> Problem:
    """Say what a caller must know: surely not applied, or unknown."""
    if not attempt.connected:
        return NOT_APPLIED
    if method in ("POST", "DELETE"):
        return Problem("TIMEOUT", "TIMEOUT")
    return READ_TOO_LONG
