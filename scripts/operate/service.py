"""The service as the command line reaches it: one JSON call after the other, over HTTP."""

from __future__ import annotations

import http.client
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from scripts.operate.words import language

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_URL: Final = "http://127.0.0.1:3001"
_MOST_BYTES: Final = 64 * 1024 * 1024
_OPENER: Final = build_opener(ProxyHandler({}))
"""Goes past proxies that the environment names: they are for the world outside."""


class Failed(Exception):
    """The service answered, and not with success: `status`, its stable `code` and its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code} ({status}): {message}")
        self.status, self.code = status, code


class Unreachable(Exception):
    """No answer, or none that can be read: the text says where and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status and its body, an object."""

    status: int
    body: Mapping[str, Any]

    @property
    def data(self) -> Any:  # noqa: ANN401 -- as the service gives it
        """Return what the envelope holds, or the body where there is none."""
        return self.body.get("data", self.body)


@dataclass(frozen=True, slots=True)
class ServiceAt:
    """The service at `url`; `timeout_s` bounds each call, `token` is sent where there is one."""

    url: str
    token: str = ""
    timeout_s: float = 30.0

    def __repr__(self) -> str:
        return f"<ServiceAt {self.url}>"

    def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 -- as the service gives it
        """Ask; raises `Failed` and `Unreachable`."""
        return self._successful("GET", path, None, query)

    def post(self, path: str, body: Mapping[str, object] | None = None, **query: object) -> Any:  # noqa: ANN401
        """Have something done; raises `Failed` and `Unreachable`."""
        return self._successful("POST", path, body or {}, query)

    def put(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401
        """Have something set; raises `Failed` and `Unreachable`."""
        return self._successful("PUT", path, body, {})

    def delete(self, path: str) -> Any:  # noqa: ANN401
        """Have something forgotten; raises `Failed` and `Unreachable`."""
        return self._successful("DELETE", path, None, {})

    def _successful(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, object],
    ) -> Any:  # noqa: ANN401
        answer = self.call(method, path, body, query)
        if answer.status // 100 != 2:  # noqa: PLR2004 -- the class of successes
            raise _failure(answer)
        return answer.data

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        """Make one call and give its answer, whatever its status; raises `Unreachable`."""
        return self._answer(*self._exchange(method, path, body, query))

    def text(self, path: str) -> str:
        """Ask for a page, JSON or not; of events without an end give what comes first.

        Raises `Failed` and `Unreachable`.
        """
        status, raw = self._exchange("GET", path)
        if status // 100 != 2:  # noqa: PLR2004 -- the class of successes
            raise _failure(self._answer(status, raw))
        return raw.decode(errors="replace")

    def follow(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give events as they come, each with its name; raises `Failed` and `Unreachable`."""
        with self._opened("GET", path) as (status, response):
            if status // 100 != 2:  # noqa: PLR2004 -- the class of successes
                raise _failure(self._answer(status, response.read(_MOST_BYTES)))
            yield from _events(response)
        raise Unreachable(f"{self.url} ended its events")

    def _exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> tuple[int, bytes]:
        with self._opened(method, path, body, query) as (status, response):
            return status, _read(response)

    @contextmanager
    def _opened(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Iterator[tuple[int, http.client.HTTPResponse | HTTPError]]:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        address = self.url.rstrip("/") + path + (f"?{urlencode(given)}" if given else "")
        if urlsplit(address).scheme not in ("http", "https"):
            raise Unreachable(f"{self.url} is not an http address")
        headers = {"Accept": "application/json", "Accept-Language": language()}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = Request(address, data, headers, method=method)  # noqa: S310 -- http, checked above
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as response:
                yield response.status, response
        except HTTPError as error:
            with error:
                yield error.code, error
        except URLError as error:
            raise Unreachable(f"{self.url} does not answer: {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{self.url} does not answer: {error!r}") from error

    def _answer(self, status: int, raw: bytes) -> Answer:
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Unreachable(f"{self.url} answers {status}, but not as this service does")
        return Answer(status, body)


def _events(response: http.client.HTTPResponse | HTTPError) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in iter(response.readline, b""):
        field, _, value = line.decode(errors="replace").strip().partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def _failure(answer: Answer) -> Failed:
    code = str(answer.body.get("code", "?"))
    return Failed(answer.status, code, str(answer.body.get("message", "")))


def _read(response: http.client.HTTPResponse | HTTPError) -> bytes:
    if response.headers.get_content_type() != "text/event-stream":
        return response.read(_MOST_BYTES)
    lines = iter(response.readline, b"")
    return next((line for line in lines if line.startswith(b"data:")), b"")


def service_at(url: str | None, token: str | None, timeout_s: float) -> ServiceAt:
    """Find the service: as given, else by PLAN_URL, or PLAN_SERVER_HOST and _PORT, and PLAN_TOKEN.

    These are the names that callers use, too.
    """
    environ = os.environ
    if not url:
        url = environ.get("PLAN_URL", "")
    if not url and (host := environ.get("PLAN_SERVER_HOST", "").split(",")[0].strip()):
        url = f"http://{host}:{environ.get('PLAN_SERVER_PORT', '').strip() or '3001'}"
    return ServiceAt(url or DEFAULT_URL, token or environ.get("PLAN_TOKEN", ""), timeout_s)


def in_path(text: str) -> str:
    """Quote a part of a path."""
    return quote(text, safe="")
