"""One Chromium for the session, and visitors for each test, who must have nothing to complain of.

All of it lives in the session's event loop: tests in a browser have `loop_scope="session"`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from tests.browser.visitors import DEADLINE_MS, Visitors
from tests.servers import chromium
from tests.service.nodes import ServiceNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser

_FAILED: Final = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test failed, for those who tidy up after it."""
    report = yield
    if call.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start the system's Chromium, without a window."""
    expect.set_options(timeout=DEADLINE_MS)
    arguments = ["--disable-dev-shm-usage"]  # which is small in containers
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to have one as root
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(
    browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Visitors]:
    """Let people come; fails when a page made the browser complain."""
    came = Visitors(browser, tmp_path)
    yield came
    failed = request.node.stash.get(_FAILED, True)
    photos = await came.photograph() if failed else []
    complaints = await came.leave()
    if photos:
        print("the pages:", *photos, sep="\n")  # noqa: T201 -- pytest shows it with the failure
    assert complaints == []


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceNode]:
    """Share a node on SQLite; never stop it, start one of your own for that."""
    with ServiceNode({}, tmp_path_factory.mktemp("shared-node")) as node:
        yield node
