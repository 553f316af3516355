"""The document and the page as they are served: made when somebody asks first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import web

from actors.runtime.slices import in_slices
from web.app_context import Language
from web.openapi.page import page
from web.wire.json_body import encode

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Mapping, Sequence

    from web.app_context import Options
    from web.route import Route


_REST_S: Final = 0.02
"""After each operation, which takes 8 ms, and the first 60."""


class Texts(NamedTuple):
    """The document in one language."""

    json: bytes
    page: str


class Document:
    """What one application says of itself."""

    def __init__(self, routes: Sequence[Route], options: Options) -> None:
        self._routes = routes
        self._options = options
        self._making: Future[Mapping[Language, Texts]] | None = None

    async def texts(self, language: Language) -> Texts:
        """Return it in `language`; made once, however many ask for it meanwhile."""
        if self._making is None:
            self._making = asyncio.ensure_future(self._make())
        try:
            return (await asyncio.shield(self._making))[language]
        except Exception:
            self._making = None
            raise

    async def _make(self) -> Mapping[Language, Texts]:
        # A start must not wait for the models of all replies, nor have them in memory.
        from web.openapi.document import Writer, translated  # noqa: PLC0415

        writer = Writer(self._options)

        def operation(route: Route) -> tuple[Route, dict[str, object]]:
            return route, writer.operation(route)

        def texts(language: Language) -> tuple[Language, Texts]:
            document = english if language is Language.ENGLISH else translated(english)
            return language, Texts(encode(document), page(document, language))

        english = writer.document(await in_slices(operation, self._routes, rest_s=_REST_S))
        return dict(await in_slices(texts, Language, rest_s=_REST_S))


DOCUMENT: Final = web.AppKey("document", Document)
