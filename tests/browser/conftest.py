"""One Chromium for the session, and visitors for each test, who must have nothing to complain of.

All of it lives in the session's event loop: tests in a browser have `loop_scope="session"`.
"""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from tests.browser.visitors import DEADLINE_MS, Visitors
from tests.servers import chromium
from tests.service.nodes import ServiceNode
from tests.service.places import Place, mongo_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser

    from tests.servers import MongoReplicaSet

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


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    """Take what is to be closed when everybody has left: a page whose node dies complains."""
    with ExitStack() as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(
    browser: Browser, ends: ExitStack, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Visitors]:
    """Let people come; fails when a page made the browser complain."""
    assert ends is not None  # it closes after us
    came = Visitors(browser, tmp_path)
    yield came
    failed = request.node.stash.get(_FAILED, True)
    photos = await came.photograph() if failed else []
    complaints = await came.leave()
    if photos:
        print("the pages:", *photos, sep="\n")  # noqa: T201 -- pytest shows it with the failure
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceNode]:
    """Share a node on SQLite; never stop it, start one of your own for that."""
    environment = {"ENVIRONMENT": "production"}
    with ServiceNode(environment, tmp_path_factory.mktemp("shared-node")) as node:
        yield node


@pytest.fixture(scope="session")
def site(
    mongo_replica_set: MongoReplicaSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Share a node on MongoDB and Redis whose console may write; take orders of your own there."""
    database = f"browser_{uuid.uuid4().hex}"
    environment = {"CONSOLE_WRITE": "1", "LEASE_TTL": "60", "JOB_ATTEMPTS": "1"}
    folder = tmp_path_factory.mktemp("site")
    with mongo_place("replica-set", mongo_replica_set, database, folder, environment) as place:
        place.node.start()
        yield place
    with mongo_replica_set.client() as client:
        client.drop_database(database)
