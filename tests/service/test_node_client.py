"""Node's own test runner on the client for Node: against fakes, and against the service itself."""

from __future__ import annotations

import os
import shutil
import sys
from asyncio import create_subprocess_exec, subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["client", "coalesce", "outbox", "package", "service"])
async def test_the_client_for_node_does_what_its_own_tests_ask_of_it(name: str) -> None:
    node = shutil.which("node")
    assert node is not None, "node is not on PATH: the tests need Node 18 or newer"
    runner = await create_subprocess_exec(
        node,
        "--test",
        f"tests/clients/node/{name}.test.js",
        cwd=_ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await runner.communicate()
    assert runner.returncode == 0, said.decode(errors="replace")
