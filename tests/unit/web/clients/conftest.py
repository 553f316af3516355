"""A service that fails as it is told, and a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.web.clients.cases import quick
from tests.unit.web.clients.fake_service import FakeService
from web.clients.python import PlanServerClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with FakeService() as service:
        yield service


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[PlanServerClient]:
    """Return one with patience: on a busy machine an answer may take its time."""
    async with PlanServerClient(service.url, quick(None)) as client:
        yield client
