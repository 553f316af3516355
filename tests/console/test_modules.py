"""Node's own test runner on the console's modules: what they compute, without a browser."""

from __future__ import annotations

import shutil
from asyncio import create_subprocess_exec, subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent / "node"
_TESTS = sorted(each.name for each in _FOLDER.glob("*.test.mjs"))


def test_there_are_tests_to_run() -> None:
    assert _TESTS


@pytest.mark.parametrize("name", _TESTS)
async def test_the_consoles_modules_do_what_their_own_tests_ask_of_them(name: str) -> None:
    node = shutil.which("node")
    assert node is not None, "node is not on PATH: the tests need Node 18 or newer"
    runner = await create_subprocess_exec(
        node,
        "--test",
        str(_FOLDER / name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await runner.communicate()
    assert runner.returncode == 0, said.decode(errors="replace")
