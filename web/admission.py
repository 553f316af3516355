"""Who is let in: pages that may not are kept out, and tokens asked for where there are any."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web

from web.app_context import CONTEXT
from web.hosts import Hosts, host_of
from web.wire.problems import Problem, RequestError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from web.app_context import Options, Token

Access = Literal["open", "caller", "operator"]
"""Whom a call is for: anybody, who has a token, or who has an operator's."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})
_CORS_METHODS: Final = "GET, POST, PUT, DELETE"
_CORS_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Prefer, X-Request-Id"
_CORS_EXPOSED: Final = "Retry-After, X-Request-Id, X-Served-By"
_CORS_AGE_S: Final = "600"


class Admission:
    """Looks at a request before any of it is served."""

    def __init__(self, options: Options, access: Mapping[tuple[str, str], Access]) -> None:
        self._keyring = Keyring(options.tokens)
        self._origins = frozenset(options.cors_origins)
        self._hosts = Hosts(options.hosts)
        self._console_writes = options.console_write
        self._access = access

    def check(self, request: web.Request) -> str | None:
        """Return the name of the token that was shown, if one was asked for.

        Raises `RequestError`.
        """
        self._check_host(request)
        if request.method not in _SAFE and self._is_of_another_site(request):
            raise RequestError(Problem("CROSS_SITE", "CROSS_SITE"))
        access = self._needed(request)
        caller = self._caller(request, access)
        if access == "operator" and not self._console_writes and _is_of_our_page(request):
            raise RequestError(Problem("CONSOLE_READ_ONLY", "CONSOLE_READ_ONLY"))
        return caller

    def access_of(self, request: web.Request) -> Literal["none", "caller", "operator"]:
        """Tell what the token that `request` shows is good for; all, where none is asked for."""
        if self._keyring.empty:
            return "operator"
        token = self._keyring.shown(request.headers.get("Authorization", ""))
        if token is None:
            return "none"
        return "operator" if token.operator else "caller"

    def _check_host(self, request: web.Request) -> None:
        """Raise `RequestError` for a call under a name that is not ours, or of an unreadable page.

        A browser always sends a host. Probes of HTTP/1.0 do not, and are no page's.
        """
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if host and not self._hosts.allow(host):
            raise RequestError(Problem("HOST_NOT_ALLOWED", "HOST_NOT_ALLOWED"))
        if origin is not None and host_of(origin) is None:
            raise invalid("INVALID_HEADER", "Origin")

    def _caller(self, request: web.Request, access: Access) -> str | None:
        if self._keyring.empty or access == "open":
            return None
        token = self._keyring.shown(request.headers.get("Authorization", ""))
        if token is None:
            headers = {"WWW-Authenticate": "Bearer"}
            raise RequestError(Problem("UNAUTHORIZED", "UNAUTHORIZED", headers=headers))
        if access == "operator" and not token.operator:
            raise RequestError(Problem("FORBIDDEN", "FORBIDDEN"))
        return token.name

    def _needed(self, request: web.Request) -> Access:
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else ""
        method = "GET" if request.method == "HEAD" else request.method
        # What is not known needs a token as well: a stranger learns nothing of what there is.
        return self._access.get((method, path.rstrip("/") or "/"), "caller")

    def _is_of_another_site(self, request: web.Request) -> bool:
        """Return whether a browser sent this for a page that is not ours and not listed."""
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin in self._origins:
            return False
        if site is not None:
            return site not in _OWN_SITES
        return origin is not None and not _is_from_here(request, origin)

    # -- pages of other sites that are listed ---------------------------------------------------

    def preflight(self, request: web.Request) -> web.Response | None:
        """Answer a browser that asks whether a listed page may call; None for all other calls."""
        if request.method != "OPTIONS" or request.headers.get("Origin") not in self._origins:
            return None
        if "Access-Control-Request-Method" not in request.headers:
            return None
        headers = {
            "Access-Control-Allow-Methods": _CORS_METHODS,
            "Access-Control-Allow-Headers": _CORS_HEADERS,
            "Access-Control-Max-Age": _CORS_AGE_S,
        }
        return web.Response(status=204, headers={**request.app[CONTEXT].headers, **headers})

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a listed page read the reply; of use where there are any."""
        origin = request.headers.get("Origin")
        response.headers.add("Vary", "Origin")
        if origin is not None and origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _CORS_EXPOSED


def _is_of_our_page(request: web.Request) -> bool:
    """Tell a browser that sends this for a page of ours, which is the console.

    Programs say neither; older browsers, and those without TLS, only the origin.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return origin is not None and _is_from_here(request, origin)


def _is_from_here(request: web.Request, origin: str) -> bool:
    """Return whether a page's origin is the host that it called, one of ours by then."""
    return host_of(origin) == request.headers.get("Host", "").lower() != ""


ADMISSION: Final = web.AppKey("admission", Admission)


class Keyring:
    """Finds the token that a request shows; every look compares all of them, in constant time."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._known = [(_digest(each.secret), each) for each in tokens]

    @property
    def empty(self) -> bool:
        """Whether nobody is asked for a token."""
        return not self._known

    def shown(self, authorization: str) -> Token | None:
        """Return the token of an `Authorization` header; None when it is none of ours."""
        scheme, _, secret = authorization.partition(" ")
        given = _digest(secret.strip() if scheme.lower() == "bearer" else "")
        found = None
        for digest, token in self._known:
            if compare_digest(given, digest):
                found = token
        return found


def _digest(secret: str) -> bytes:
    """Make secrets of one length, so that not even that shows in the time a comparison takes."""
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
