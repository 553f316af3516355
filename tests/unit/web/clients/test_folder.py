from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[4] / "web" / "clients" / "python"
_CALL = """
import asyncio, sys
from importlib import import_module
from pathlib import Path

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {
            "actors", "config", "scripts", "web", "motor", "orjson", "prometheus_client",
            "pydantic", "pydantic_settings", "pykka", "pymongo", "redis", "structlog", "uvloop",
        }:
            raise ImportError(f"blocked: {name}")

sys.meta_path.insert(0, Block())
client = import_module(sys.argv[1])
assert Path(client.__file__).is_relative_to(Path.cwd()), client.__file__

async def keep():
    options = client.ClientOptions(outbox=Path("outbox.sqlite3"), deadline_s=5, attempt_s=1)
    async with client.PlanServerClient("http://127.0.0.1:9", options) as caller:
        return await caller.update_work_order_quantity("6560a0000000000000000001", "input")

print(asyncio.run(keep())["code"])
"""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    unwanted = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    return shutil.copytree(_FOLDER, tmp_path / "any_name", ignore=unwanted)


def _run(cwd: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_folder_works_under_another_name_with_aiohttp_and_stamina_only(copied: Path) -> None:
    assert _run(copied.parent, "-c", _CALL, "any_name") == "QUEUED_FALLBACK"


def test_pip_installs_the_folder_by_itself(copied: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    _run(tmp_path, "-m", "pip", "install", *offline, "--target", str(target), str(copied))

    assert _run(target, "-c", _CALL, "plan_server_client") == "QUEUED_FALLBACK"


def test_the_folder_asks_for_aiohttp_and_stamina_only() -> None:
    project = tomllib.loads((_FOLDER / "pyproject.toml").read_text())["project"]
    assert [each.partition(">")[0] for each in project["dependencies"]] == ["aiohttp", "stamina"]
