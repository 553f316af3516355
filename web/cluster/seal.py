"""What one node says to another is signed: nobody else's word is taken for a node's."""

from __future__ import annotations

import hmac
import secrets
import time
from contextlib import suppress
from enum import Enum, auto
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import structlog

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable
from web.app_context import CALL
from web.cluster.hop import DEADLINE, FORWARDED_BY, FORWARDED_TO
from web.cluster.neighbours import REPORT
from web.wire.bodies import read_body
from web.wire.problems import Problem, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from aiohttp import web

    from actors.store.port import Store

SIGNATURE: Final = "X-Node-Signature"
"""Seconds since 1970, a space, and the HMAC-SHA256 in hex of what is said; "refused" in an answer
to one that was made with another secret."""
REFUSED_SIGNATURE: Final = "refused"
MAX_CLOCK_DIFFERENCE_S: Final = 300
"""By how much two nodes' clocks may differ, and for how long what was overheard can be repeated."""
_SIGNED: Final = (FORWARDED_BY, FORWARDED_TO, DEADLINE, REPORT)
_WARNS_EVERY_S: Final = 10.0
_RETRY_AFTER_S: Final = 1

_log = structlog.get_logger(__name__)


class Word(Enum):
    """Whose word a call is."""

    ANYBODYS = auto()
    """Not signed, or by a secret that is not known yet."""
    A_NODES = auto()
    OUTDATED = auto()
    """A node's, and its clock or ours is wrong, or somebody repeats it."""
    A_STRANGERS = auto()
    """Signed with another secret."""


class Seal:
    """Signs with the secret that the nodes share: the one given, else the one in the store."""

    def __init__(self, secret: str | None) -> None:
        self._is_given = secret is not None
        self._key = None if secret is None else secret.encode()
        self._warned_at = -_WARNS_EVERY_S

    async def learn(self, store: Store) -> None:
        """Read the store's secret, which a restored database may have changed; make it if need be.

        As long as none is known nothing is signed, and nothing that is signed believed.
        """
        if self._is_given:
            return
        with suppress(StoreUnavailable, OutcomeUnknown, StoreRejected):
            self._key = (await store.cluster_secret(secrets.token_hex(32))).encode()

    def sign(
        self, method: str, path: str, headers: MutableMapping[str, str], body: bytes = b""
    ) -> None:
        """Add the signature to the headers of a call of `path`, its query included."""
        if self._key is not None:
            at = str(int(time.time()))
            headers[SIGNATURE] = f"{at} {_signature(self._key, at, method, path, headers, body)}"

    def word(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Word:
        """Tell whose word a call is that arrived."""
        at, _, signature = headers.get(SIGNATURE, "").partition(" ")
        if self._key is None or not signature:
            return Word.ANYBODYS
        expected = _signature(self._key, at, method, path, headers, body)
        # As bytes: of texts it compares ASCII only.
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode()):
            return Word.A_STRANGERS
        if abs(time.time() - int(at)) > MAX_CLOCK_DIFFERENCE_S:
            return Word.OUTDATED
        return Word.A_NODES

    async def check(self, request: web.Request) -> None:
        """Note in `request` whether a node sent it, before anything that it says is made use of.

        What is not signed is any caller's call. So is what is outdated: a wrong clock costs no
        update. Raises `RequestError` (503) for what was signed with another secret.
        """
        if SIGNATURE not in request.headers:
            return
        body = await read_body(request)
        word = self.word(request.method, path_of(request), request.headers, body)
        if word is Word.A_NODES:
            call = request[CALL]
            call.believed = True
            if FORWARDED_BY in request.headers:
                call.about["forwarded_by"] = request.headers[FORWARDED_BY]
        elif word is Word.OUTDATED:
            self._warn("node_clock_differs", request)
        elif word is Word.A_STRANGERS:
            self._warn("node_secret_differs", request)
            text = "SERVICE_UNAVAILABLE.secret"
            marked = {SIGNATURE: REFUSED_SIGNATURE}
            raise RequestError(
                Problem("SERVICE_UNAVAILABLE", text, retry_after_s=_RETRY_AFTER_S, headers=marked)
            )

    def _warn(self, event: str, request: web.Request) -> None:
        """Log it, but not as often as somebody can send it."""
        now = time.monotonic()
        if now - self._warned_at >= _WARNS_EVERY_S:
            self._warned_at = now
            _log.warning(event, remote=request.remote)


def path_of(request: web.Request) -> str:
    """Return path and query as they came, without the host that a caller may have put before."""
    path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
    return f"{path}?{query}" if query else path


def _signature(
    key: bytes, at: str, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> str:
    said = [headers.get(name, "") for name in _SIGNED]
    lines = [at, method, path, *said, sha256(body).hexdigest()]
    return hmac.new(key, "\n".join(lines).encode("utf-8", "replace"), sha256).hexdigest()
