"""The page at `/docs`: well formed, readable, its own policy lets it run, and nothing else."""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from web.openapi.page_style import SCRIPT, STYLE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.web.conftest import Client

_VOID = frozenset({"meta", "link", "input"})
_READABLE = 4.5
"""Contrast of text, by WCAG 2.2 (1.4.3)."""
_TEXTS = ("ink", "soft", "link", "get", "post", "put", "delete")


class _Outline(HTMLParser):
    """Notes what is not closed, and which ids there are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.faults += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]
        self.faults += [f"{tag} style" for name, _ in attrs if name == "style"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")


async def _page(client: Client) -> tuple[str, str]:
    async with client.get("/docs") as reply:
        assert reply.headers.getall("Content-Security-Policy") == [
            reply.headers["Content-Security-Policy"]
        ]
        return await reply.text(), reply.headers["Content-Security-Policy"]


async def test_its_html_is_well_formed_and_names_nothing_twice(client: Client) -> None:
    outline = _Outline()
    outline.feed((await _page(client))[0])
    assert (outline.open, outline.faults) == ([], [])
    assert sorted(set(outline.ids)) == sorted(outline.ids)


async def test_the_policy_lets_its_own_style_and_script_run_and_nothing_else(
    client: Client,
) -> None:
    text, policy = await _page(client)
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_its_script_is_one_that_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "page.js"
    file.write_text(SCRIPT, encoding="utf-8")
    subprocess.run(["node", "--check", str(file)], check=True, timeout=60)  # noqa: S607


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_all_of_its_text_is_readable_in_light_and_dark(scheme: int) -> None:
    palette = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", STYLE.split("@media")[scheme]))
    for name in _TEXTS:
        for ground in ("paper", "shade"):
            assert _contrast(palette[name], palette[ground]) >= _READABLE, (name, ground)


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_the_main_call_comes_first_and_the_page_is_compressed(client: Client) -> None:
    async with client.get("/docs", headers={"Accept-Encoding": "gzip"}) as reply:
        assert reply.headers["Content-Encoding"] == "gzip"
        page = await reply.text()
    first = re.search(r'<details id="(\w+)">', page)
    assert first is not None
    assert first[1] == "updateQuantity"
