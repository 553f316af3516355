"""The checks of JavaScript: what they install comes from no fixed address, and is asked for."""

from __future__ import annotations

import json
import os
import re
import shutil
from asyncio import create_subprocess_exec, subprocess
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "scripts" / "js"
_OF_OTHERS = {"node_modules", ".venv"}


def test_the_lock_pins_each_package_by_its_hash_and_names_no_address() -> None:
    text = (_FOLDER / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert len(packages) > 1
    assert all(each["integrity"].startswith("sha512-") for name, each in packages.items() if name)
    wanted = json.loads((_FOLDER / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert packages[""]["devDependencies"] == wanted
    assert all(version[0].isdigit() for version in wanted.values()), "ranges pin nothing"


async def test_who_lacks_node_is_told_what_to_install(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    runner = await create_subprocess_exec(
        bash,
        str(_FOLDER / "check.sh"),
        env={**os.environ, "PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await runner.communicate()
    assert runner.returncode == 1
    assert b"install Node 18 or newer with npm" in said


def test_no_module_is_left_out_of_the_checks() -> None:
    script = (_FOLDER / "check.sh").read_text(encoding="utf-8")
    listed = re.search(r"^places=\((.+)\)$", script, re.MULTILINE)
    assert listed is not None
    places = [_ROOT / each for each in listed[1].split()]
    modules = [
        each
        for folder in ("actors", "config", "docs", "scripts", "tests", "web")
        for each in (_ROOT / folder).rglob("*.*js")
        if not _OF_OTHERS & set(each.parts)
    ]
    assert len(modules) > 40
    for module in modules:
        assert any(module.is_relative_to(place) for place in places), module
