"""Calls to the service: one address after the other, again after a while, until the deadline.

Only what may be sent again is: 429, 503, 504, broken connections, answers that can't be read.
Every update has its key, so sending it again can't count it twice.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import stamina

from .breaker import Breaker
from .session import Attempt, open_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from .options import ClientOptions

_WAIT_FIRST_S: Final = 0.1
_WAIT_LONGEST_S: Final = 2.0
_JITTER_S: Final = 0.2
_OK: Final = range(200, 300)
_NOT_APPLIED: Final = (429, 503)
_GATEWAY_TIMEOUT: Final = 504
_AGAIN: Final = (429, 502, 503, 504)
"""Of answers that are not the service's own, such as a proxy's, those that may pass by."""


@dataclass(slots=True)
class Request:
    """One call, which may take several attempts."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    maybe_applied: bool = False
    """An attempt may have reached the service, and nobody knows what became of it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the service that settles the call, be it a refusal."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """Return the payload; empty where there is none."""
        data = self.body.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def code(self) -> str:
        """Return the code of the envelope."""
        return str(self.body.get("code"))


class Unsettled(Exception):
    """An attempt, or a whole call, left open what the service makes of it, or was put off."""

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        maybe_applied: bool = False,
        retry_after_s: float | None = None,
        again: bool = True,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.maybe_applied = maybe_applied
        self.retry_after_s = retry_after_s
        self.again = again
        """Whether another attempt within this call makes sense."""


class Calls:
    """Sends calls to the first address that takes them; use within one event loop."""

    def __init__(self, addresses: Sequence[str], options: ClientOptions) -> None:
        self._options = options
        self._authorization: dict[str, str] = {}
        if options.token is not None:
            self._authorization["Authorization"] = f"Bearer {options.token}"
        self._session: aiohttp.ClientSession | None = None
        self._preferred = 0
        self.breakers = {
            address.rstrip("/"): Breaker(options.breaker_failures, options.breaker_open_s)
            for address in addresses
        }
        if not self.breakers:
            raise ValueError("at least one address is needed")

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(
        self, request: Request, end: float, once: Callable[[], Awaitable[Reply]] | None = None
    ) -> Reply:
        """Send until the service settles it or `end` (loop time) is there; raises `Unsettled`.

        `once` makes an attempt in place of the method of that name.
        """
        if once is None:
            once = partial(self.once, request, end)
        left_s = end - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(end):
                # Most calls are settled by the first attempt: they don't pay for what follows.
                try:
                    return await once()
                except Unsettled as error:
                    failed = error
                # Stamina's own end: the timeout above is sharper, this one needs to be positive.
                async for attempt in stamina.retry_context(
                    on=_Patience(end),
                    attempts=None,
                    timeout=max(left_s, 0.001),
                    wait_initial=_WAIT_FIRST_S,
                    wait_max=_WAIT_LONGEST_S,
                    wait_jitter=_JITTER_S,
                ):
                    with attempt:
                        if attempt.num == 1:
                            raise failed
                        return await once()
        except TimeoutError:
            code = "TIMEOUT" if request.maybe_applied else "SERVICE_UNAVAILABLE"
            reason = "no answer by the deadline"
            raise Unsettled(code, reason, maybe_applied=request.maybe_applied) from None
        except Unsettled as error:
            error.maybe_applied = request.maybe_applied
            if error.maybe_applied:
                error.code = "TIMEOUT"
            raise
        raise AssertionError("stamina ends with a result or an error")

    async def once(self, request: Request, end: float) -> Reply:
        """Send it once to each address that is not left alone, until one settles it."""
        last = Unsettled("SERVICE_UNAVAILABLE", "all addresses are left alone", again=False)
        addresses = list(self.breakers)
        for revision in range(len(addresses)):
            number = (self._preferred + revision) % len(addresses)
            breaker = self.breakers[addresses[number]]
            if not breaker.admit():
                continue
            try:
                reply = await self._attempt(addresses[number], request, end)
            except Unsettled as error:
                last = error
                request.maybe_applied |= error.maybe_applied
                if error.code == "MAILBOX_FULL":
                    # Its own word: the node serves, and another one would ask it.
                    breaker.succeed()
                    raise
                breaker.fail()
            except BaseException:
                breaker.abandon()
                raise
            else:
                breaker.succeed()
                self._preferred = number
                return reply
        raise last

    async def look(self, address: str, path: str, end: float) -> tuple[int, dict[str, Any]]:
        """GET what has no envelope, once, past the breaker; raises `Unsettled`."""
        status, body = (await self._exchange(address, Request("GET", path), end))[:2]
        if not isinstance(body, dict):
            raise Unsettled("SERVICE_UNAVAILABLE", "the answer can't be read")
        return status, body

    async def _attempt(self, address: str, request: Request, end: float) -> Reply:
        return read_answer(*await self._exchange(address, request, end))

    async def _exchange(
        self, address: str, request: Request, end: float
    ) -> tuple[int, object, float | None]:
        if self._session is None:
            self._session = open_session(self._options.connections, keep_alive=True)
        attempt = Attempt()
        now = asyncio.get_running_loop().time()
        limit = min(end, now + self._options.attempt_s)
        try:
            async with (
                asyncio.timeout_at(limit),
                self._session.request(
                    request.method,
                    address + request.path,
                    data=request.body,
                    headers={
                        "Content-Type": "application/json",
                        "Accept-Language": self._options.language,
                        **self._authorization,
                        **request.headers,
                    },
                    params=request.query,
                    allow_redirects=False,
                    trace_request_ctx=attempt,
                ) as response,
            ):
                status, raw = response.status, await response.read()
                retry_after_s = _seconds(response.headers.get("Retry-After"))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            code = "TIMEOUT" if attempt.connected else "SERVICE_UNAVAILABLE"
            reason = str(error) or type(error).__name__
            raise Unsettled(code, reason, maybe_applied=attempt.connected) from error
        except asyncio.CancelledError:
            request.maybe_applied |= attempt.connected
            raise
        return status, _json(raw), retry_after_s


def read_answer(status: int, body: object, retry_after_s: float | None) -> Reply:
    """Return an answer that settles the call, be it a refusal; raises `Unsettled` for others."""
    code = body.get("code") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(code, str):
        raise Unsettled(
            "TIMEOUT",
            f"an answer that is not the service's, status {status}",
            maybe_applied=True,
            again=status in _AGAIN or status in _OK,
        )
    reason = str(body.get("message", code))
    if status in _NOT_APPLIED:
        raise Unsettled(code, reason, retry_after_s=retry_after_s)
    if status == _GATEWAY_TIMEOUT:
        raise Unsettled("TIMEOUT", reason, maybe_applied=True)
    if status in _OK and (body.get("success") is not True or "data" not in body):
        raise Unsettled("TIMEOUT", "an answer without its data", maybe_applied=True)
    return Reply(status, body)


class _Patience:
    """Answers stamina whether to send again, and after how long."""

    def __init__(self, end: float) -> None:
        self._end = end

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, Unsettled) or not error.again:
            return False
        if error.retry_after_s is None:
            return True
        wait_s = error.retry_after_s + random.uniform(0, _JITTER_S)  # noqa: S311 -- jitter
        # Nothing to wait for: the deadline comes first.
        return wait_s if asyncio.get_running_loop().time() + wait_s < self._end else False


def _json(raw: bytes) -> object:
    try:
        value: object = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value


def _seconds(text: str | None) -> float | None:
    """Read Retry-After; its other form, a date, is not what the service sends."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
