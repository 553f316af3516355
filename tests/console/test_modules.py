"""Node's own test runner on the console's modules: what they compute, without a browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_FOLDER = Path(__file__).parent / "node"
_RUN_ALL = "for (const file of process.argv.slice(1)) await import(file);"


def test_the_consoles_modules_do_what_their_own_tests_ask_of_them() -> None:
    node = shutil.which("node")
    assert node is not None, "node is not on PATH: the tests need Node 18 or newer"
    files = sorted(each.as_uri() for each in _FOLDER.glob("*.test.mjs"))
    assert files, "there are no tests to run"
    done = subprocess.run(
        [node, "--input-type=module", "--eval", _RUN_ALL, *files],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
