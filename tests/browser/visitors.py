"""People in front of the browser: each with a context, a language and a screen of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from tests.browser.watch import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, Page

Scheme = Literal["light", "dark"]

DEADLINE_MS: Final = 100_000
"""How long a condition is waited for: much more than it takes, also on a busy machine."""


class Visitor:
    """Somebody who uses one page; `watch` has what the browser complained of."""

    def __init__(self, context: BrowserContext, page: Page, watch: Watch) -> None:
        self.context = context
        self.page = page
        self.watch = watch


class Visitors:
    """All who came in one test."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self._all: list[Visitor] = []

    async def come(
        self,
        *origins: str,
        language: str = "en",
        scheme: Scheme = "light",
        width: int = 1280,
        height: int = 800,
    ) -> Visitor:
        """Open an empty page for somebody who is to see nothing but those origins; sizes in px."""
        context = await self._browser.new_context(
            base_url=origins[0],
            locale=language,
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            # What moves would be looked at half-way.
            reduced_motion="reduce",
        )
        context.set_default_timeout(DEADLINE_MS)
        watch = Watch(context, set(origins))
        visitor = Visitor(context, await context.new_page(), watch)
        self._all.append(visitor)
        return visitor

    async def photograph(self) -> list[Path]:
        """Write down what each page shows."""
        photos = []
        for number, visitor in enumerate(self._all):
            for tab, page in enumerate(visitor.context.pages):
                photos.append(self._folder / f"visitor-{number}-page-{tab}.png")
                await page.screenshot(path=photos[-1], full_page=True)
        return photos

    async def leave(self) -> list[str]:
        """Close all pages; give what was complained of."""
        for visitor in self._all:
            await visitor.context.close()
        return [each for visitor in self._all for each in visitor.watch.complaints]
