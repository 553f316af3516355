"""What a browser complains of while a test uses it, and what the page should not have done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, ConsoleMessage, Request, WebError

_QUIET: Final = frozenset({"error", "warning", "assert"})
_OF_ITS_OWN: Final = frozenset({"data", "blob", "about"})
_CANCELLED: Final = "net::ERR_ABORTED"
"""The page itself, or its end, broke off a request: a stream of events ends in no other way."""


class Watch:
    """Notes each error, warning, failed request and request to another origin of a context.

    `origins` may be asked for things, others may not. What a test brings about on purpose is
    forgiven where a pattern of `forgive` is found in it.
    """

    def __init__(self, context: BrowserContext, origins: set[str]) -> None:
        self._origins = origins
        self._complaints: list[str] = []
        self._forgiven: list[re.Pattern[str]] = []
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        context.on("requestfailed", self._on_failure)

    def forgive(self, *patterns: str) -> None:
        """Take what matches for something that the test wants to happen."""
        self._forgiven += [re.compile(pattern) for pattern in patterns]

    @property
    def complaints(self) -> list[str]:
        """What was not forgiven."""
        return [
            each
            for each in self._complaints
            if not any(pattern.search(each) for pattern in self._forgiven)
        ]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in _QUIET:
            self._complaints.append(
                f"console {message.type}: {message.text} ({message.location.get('url')})"
            )

    def _on_error(self, error: WebError) -> None:
        self._complaints.append(f"page error: {error.error}")

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in _OF_ITS_OWN and f"{url.scheme}://{url.netloc}" not in self._origins:
            self._complaints.append(f"request to another origin: {request.url}")

    def _on_failure(self, request: Request) -> None:
        if request.failure != _CANCELLED:
            self._complaints.append(
                f"request failed: {request.method} {request.url} {request.failure}"
            )
