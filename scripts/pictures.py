"""Make the pictures in docs/: the console of a demo node under some load, in Chromium."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
from playwright.async_api import async_playwright

from tests.servers import chromium
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from playwright.async_api import Browser

_FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
_LOAD_S: Final = 600.0
"""The graphs show an hour: what is shorter leaves them empty."""
_CALLERS: Final = 6
_ORDERS: Final = 20
_PAUSED: Final = f"{7:024x}"
_WAVE_S: Final = 40.0
_DESK: Final = {"width": 1280, "height": 800}
_PHONE: Final = {"width": 390, "height": 844}
_Pictures: TypeAlias = dict[str, tuple[str, str, str, dict[str, int]]]
_PICTURES: Final[_Pictures] = {
    "console.png": ("#/", "en", "light", _DESK),
    "console.zh-CN.png": ("#/", "zh-CN", "light", _DESK),
    "console-dark.png": ("#/", "en", "dark", _DESK),
    "order.png": (f"#/orders/{1:024x}", "en", "light", _DESK),
    "order.zh-CN.png": (f"#/orders/{1:024x}", "zh-CN", "light", _DESK),
    "job.png": ("#/jobs/{job}", "en", "light", _DESK),
    "job.zh-CN.png": ("#/jobs/{job}", "zh-CN", "light", _DESK),
    "statistics.png": ("#/statistics", "en", "light", _DESK),
    "statistics.zh-CN.png": ("#/statistics", "zh-CN", "light", _DESK),
    "phone.png": ("#/", "zh-CN", "light", _PHONE),
}
"""By file: view, language, colours, size; `{job}` is a failed job's id."""
_VIEWS: Final = {
    "overview": "#/",
    "orders": "#/actors",
    "order": f"#/orders/{1:024x}",
    "paused": f"#/orders/{_PAUSED}",
    "jobs": "#/jobs?state=failed",
    "job": "#/jobs/{job}",
    "nodes": "#/nodes",
    "operations": "#/operations",
    "statistics": "#/statistics",
    "events": "#/events",
}
_ALL: Final = {
    f"{name}.{language}.{colours}.{where}.png": (view, language, colours, size)
    for name, view in _VIEWS.items()
    for language in ("en", "zh-CN")
    for colours in ("light", "dark")
    for where, size in (("desk", _DESK), ("phone", _PHONE))
}
"""Every view in both languages and colours, at the desk and on the phone: to be looked at."""


def main(argv: list[str] | None = None) -> int:
    """Make them all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.pictures", description=__doc__)
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where to (docs/pictures)")
    parser.add_argument(
        "--seconds", type=float, default=_LOAD_S, help="of load before (%(default)g)"
    )
    parser.add_argument(
        "--all", action="store_true", help="every view in every form, to look at; needs --folder"
    )
    options = parser.parse_args(argv)
    folder: Path = options.folder
    if options.all and folder == _FOLDER:
        parser.error("--all needs a --folder of its own")
    pictures = _ALL if options.all else _PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as data:
        _import_demo_orders(Path(data) / "data")
        # The load knows no plans, which would be one long alarm.
        settings = {"CONSOLE_WRITE": "1", "NODE_ID": "node-1", "OVER_INPUT": "off"}
        with ServiceNode(settings, Path(data)) as node:
            asyncio.run(_make(node.uri, folder, options.seconds, pictures))
    return 0


def _import_demo_orders(data: Path) -> None:
    command = [sys.executable, "-m", "scripts.import_orders", "--demo"]
    environment = {**os.environ, "DATA_DIR": str(data)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


async def _make(uri: str, folder: Path, load_s: float, pictures: _Pictures) -> None:
    load = asyncio.create_task(_load(uri))
    await asyncio.wait({load}, timeout=load_s)
    if load.done():
        load.result()
    job = await _failed_job(uri)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        for name, (view, language, colours, size) in pictures.items():
            url = f"{uri}/console{view.format(job=job)}"
            await _photograph(browser, url, folder / name, language, colours, size)
        await browser.close()
    load.cancel()


async def _failed_job(uri: str) -> str:
    async with (
        aiohttp.ClientSession(uri) as session,
        session.get("/api/workorder/queue/jobs?state=failed&pageSize=1") as reply,
    ):
        job: str = (await reply.json())["data"]["jobs"][0]["jobId"]
        return job


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
    await page.wait_for_function("!document.querySelector('[data-loading]')")
    await page.wait_for_timeout(3_000)  # two looks at what changes
    await page.screenshot(path=file)
    await page.close()
    print(file)


async def _load(uri: str) -> None:
    """Send what a factory sends: in waves, some scans twice, one order paused, one unknown."""
    async with aiohttp.ClientSession(uri) as session, asyncio.TaskGroup() as callers:
        async with session.post(f"/api/workorder/{_PAUSED}/pause"):
            pass
        unknown = {"workOrderId": f"{0xBAD:024x}", "type": "output", "wait": False}
        async with session.post("/api/workorder/update-quantity", json=unknown):
            pass
        for number in range(_CALLERS):
            callers.create_task(_call(session, number))


async def _call(session: aiohttp.ClientSession, number: int) -> None:
    rng = random.Random(number)  # noqa: S311 -- a load, not a secret
    while True:
        async with session.post("/api/workorder/update-quantity", json=_update(rng)):
            wave = 1.2 + math.sin(time.monotonic() * math.tau / _WAVE_S)
            await asyncio.sleep(rng.uniform(0, 0.2) * wave)


def _update(rng: random.Random) -> dict[str, object]:
    order = f"{1 + int(_ORDERS * rng.random() ** 2):024x}"
    if rng.random() < 0.01:  # noqa: PLR2004 -- one in a hundred
        scan = {
            "relatedBarcode": f"SN{rng.randrange(200):05}",
            "processStepId": f"{0xC0:024x}",
            "barcodeOperation": "SCAN_PROCESS",
        }
        return {"workOrderId": order, "type": "input", "logContext": scan}
    kind = rng.choice(("input", "input", "output"))
    return {"workOrderId": order, "type": kind, "quantity": rng.choice((1, 1, 2, -1))}


if __name__ == "__main__":
    sys.exit(main())
