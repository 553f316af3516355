"""The document and the page as they are served: made when somebody asks first."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from web.openapi.page import page
from web.wire.json_body import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web.app_context import Language, Options
    from web.route import Route


class Document:
    """What one application says of itself."""

    def __init__(self, routes: Sequence[Route], options: Options) -> None:
        self._routes = routes
        self._options = options

        self._encode = cache(lambda language: encode(self._content(language)))
        self._show = cache(lambda language: page(self._content(language), language))

    # In a thread, as the first time takes tenths of a second; twice at once does no harm.

    async def encoded(self, language: Language) -> bytes:
        """Return the document as JSON."""
        return await asyncio.to_thread(self._encode, language)

    async def page(self, language: Language) -> str:
        """Return the document as a page."""
        return await asyncio.to_thread(self._show, language)

    def _content(self, language: Language) -> dict[str, Any]:
        # A start must not wait for the models of all replies, nor have them in memory.
        from web.openapi.document import write_document  # noqa: PLC0415

        return write_document(self._routes, self._options, language)


DOCUMENT: Final = web.AppKey("document", Document)
