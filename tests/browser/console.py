"""The console as somebody uses it: what it shows, and what can be pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from tests.browser.visitors import Visitor


class Console:
    """One visitor's console; `place` is what its addresses begin with."""

    def __init__(self, visitor: Visitor, place: str = "/console") -> None:
        self.visitor = visitor
        self.page: Page = visitor.page
        self._place = place

    async def open(self, state: str = "") -> None:
        """Open it in a state of its own, such as `#/jobs?state=failed`, and wait until it shows."""
        await self.page.goto(self._place + state)
        await expect(self.page.locator("main")).to_be_visible()

    async def see(self, view: str) -> None:
        """Go to a page by the header."""
        await self.page.locator(f'header [data-view="{view}"]').click()
        await expect(self.page.locator(f'[data-view="{view}"]')).to_have_attribute(
            "aria-current", "page"
        )

    def panel(self, name: str) -> Locator:
        """Find a part of the page."""
        return self.page.locator(f'[data-panel="{name}"]')

    def rows(self, table: str) -> Locator:
        """Find the rows of a table."""
        return self.page.locator(f'[data-table="{table}"] [data-row]')

    def rows_of(self, table: str, order: str) -> Locator:
        """Find the rows of a table that are about an order, by its id."""
        return self.rows(table).filter(has=self.page.locator(f'[data-order="{order}"]'))

    def row(self, table: str, key: str) -> Locator:
        """Find one row, by what it is about."""
        return self.page.locator(f'[data-table="{table}"] [data-row="{key}"]')

    def act(self, name: str) -> Locator:
        """Find a button that does something."""
        return self.page.locator(f'[data-act="{name}"]')

    def alarm(self, code: str) -> Locator:
        """Find an alarm in the list."""
        return self.page.locator(f'[data-alarm="{code}"]')

    async def answer(self, *, yes: bool) -> None:
        """Answer the question that is asked."""
        await self.page.locator(f'[data-answer="{"yes" if yes else "no"}"]').click()
        await expect(self.page.locator("dialog")).to_be_hidden()

    async def told(self, kind: str = "ok") -> str:
        """Wait for word of what was done; give it, and close it."""
        said = self.page.locator(f'[data-said="{kind}"]')
        text = await said.locator("span").inner_text()
        await said.get_by_role("button").click()
        return text
