"""What axe finds wrong with a page for people who see badly or use no mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from playwright.async_api import Page

_AXE = Axe()
_SHOWN = 3


async def violations(page: Page, *rules: str) -> list[str]:
    """Return one text for each of axe's rules that is broken: what is wrong, where, and how often.

    Where `rules` are named, no others are looked at.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = await _AXE.run(page, options=options)
    return [_readable(rule) for rule in found.response["violations"]]


def _readable(rule: dict[str, Any]) -> str:
    nodes = rule["nodes"]
    places = [
        f"\n  {' '.join(map(str, node['target']))}: {node['html'][:200]}"
        f"\n    {' '.join(node['failureSummary'].split())}"
        for node in nodes[:_SHOWN]
    ]
    return f"{rule['id']} ({rule['impact']}), {len(nodes)} times: {rule['help']}{''.join(places)}"
