"""Hundreds of runs a second: nothing is logged, and jitter is the same in each run."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(1)
