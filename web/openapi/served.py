"""The document and the page as they are served: made when somebody asks first."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from web.openapi.page import page
from web.wire.json_body import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web.app_context import Options
    from web.route import Route


class Document:
    """What one application says of itself."""

    def __init__(self, routes: Sequence[Route], options: Options) -> None:
        self._routes = routes
        self._options = options

    async def encoded(self) -> bytes:
        """Return the document as JSON."""
        return await asyncio.to_thread(lambda: self._encoded)

    async def page(self) -> str:
        """Return the document as a page."""
        return await asyncio.to_thread(lambda: self._page)

    # In a thread, as the first time takes tenths of a second; twice at once does no harm.

    @cached_property
    def _content(self) -> dict[str, Any]:
        # A start must not wait for the models of all replies, nor have them in memory.
        from web.openapi.document import write_document  # noqa: PLC0415

        return write_document(self._routes, self._options)

    @cached_property
    def _encoded(self) -> bytes:
        return encode(self._content)

    @cached_property
    def _page(self) -> str:
        return page(self._content)


DOCUMENT: Final = web.AppKey("document", Document)
