"""Make the pictures in docs/: the console of a demo node under some load, in Chromium."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
from playwright.async_api import async_playwright

from tests.servers import chromium
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from playwright.async_api import Browser

_FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
_LOAD_S: Final = 30
_ORDERS: Final = 20
_DESK: Final = {"width": 1280, "height": 800}
_PHONE: Final = {"width": 390, "height": 844}
_PICTURES: Final[dict[str, tuple[str, str, str, dict[str, int]]]] = {
    "console.png": ("#/", "en", "light", _DESK),
    "console.zh-CN.png": ("#/", "zh-CN", "light", _DESK),
    "order.png": (f"#/orders/{1:024}", "en", "light", _DESK),
    "nodes-dark.png": ("#/nodes", "en", "dark", _DESK),
    "phone.png": ("#/", "zh-CN", "light", _PHONE),
}
"""By file: view, language, colours, size."""


def main(argv: list[str] | None = None) -> int:
    """Make them all; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.pictures", description=__doc__)
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where to (docs/pictures)")
    folder: Path = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as data:
        _import_demo_orders(Path(data) / "data")
        with ServiceNode({"CONSOLE_WRITE": "1", "NODE_ID": "node-1"}, Path(data)) as node:
            asyncio.run(_make(node.uri, folder))
    return 0


def _import_demo_orders(data: Path) -> None:
    command = [sys.executable, "-m", "scripts.import_orders", "--demo"]
    environment = {**os.environ, "DATA_DIR": str(data)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


async def _make(uri: str, folder: Path) -> None:
    load = asyncio.create_task(_load(uri))
    await asyncio.sleep(_LOAD_S)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        for name, (view, language, colours, size) in _PICTURES.items():
            url = f"{uri}/console{view}"
            await _photograph(browser, url, folder / name, language, colours, size)
        await browser.close()
    load.cancel()


async def _photograph(
    browser: Browser, url: str, file: Path, language: str, colours: str, size: dict[str, int]
) -> None:
    page = await browser.new_page(
        viewport={"width": size["width"], "height": size["height"]},
        locale=language,
        color_scheme="dark" if colours == "dark" else "light",
    )
    await page.goto(url)
    await page.wait_for_selector("main h1, main h2")
    await page.wait_for_timeout(3_000)  # two looks at what changes
    await page.screenshot(path=file)
    await page.close()
    print(file)


async def _load(uri: str) -> None:
    rng = random.Random(1)  # noqa: S311 -- a load, not a secret
    async with aiohttp.ClientSession(uri) as session:
        while True:
            order = f"{1 + int(_ORDERS * rng.random() ** 2):024x}"
            kind = rng.choice(("input", "input", "output"))
            body = {"workOrderId": order, "type": kind, "quantity": rng.choice((1, 1, 2, -1))}
            async with session.post("/api/workorder/update-quantity", json=body):
                await asyncio.sleep(rng.uniform(0, 0.05))


if __name__ == "__main__":
    sys.exit(main())
