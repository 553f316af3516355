"""The wheel holds what the service reads, and nothing that needs the checkout or is a secret."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from importlib.metadata import distribution
from typing import TYPE_CHECKING

import pytest

from tests.packaging.locks import CHECKOUT, LOCKS, empty_environment, pins, run
from tests.servers._binaries import oldest_pip

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = ("actors", "config", "scripts", "web")
_PLAIN, _WITH_OTEL, _ = LOCKS
_LEFT_BEHIND = ("__pycache__", "node_modules")
"""What others make while this runs, and git ignores."""
_SECRETS = (
    "config/deploy/docker/nodes.env",
    "config/deploy/docker/secrets/grafana_password",
    "config/deploy/pm2/service.env",
)
# Prints what couldn't be imported, each with the module that it lacked.
_IMPORT = """
import json, sys, warnings
from importlib import import_module

warnings.simplefilter("error")
lacking = {}
for name in sys.argv[1:]:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        lacking[name] = error.name
print(json.dumps(lacking))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the checkout in which there are secrets."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", ".gitignore"):
        shutil.copy(CHECKOUT / name, source)
    for name in _PACKAGES:
        shutil.copytree(
            CHECKOUT / name, source / name, ignore=shutil.ignore_patterns(*_LEFT_BEHIND)
        )
    for secret in _SECRETS:
        (source / secret).parent.mkdir(exist_ok=True)
        (source / secret).write_text("a secret")
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = run(sys.executable, "-m", "pip", "wheel", *options, "-w", folder, ".", cwd=source)
    assert done.returncode == 0, done.stdout
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_each_module_of_the_wheel_is_imported_beside_what_a_lock_pins(
    wheel: Path, content: set[str], tmp_path: Path
) -> None:
    python = empty_environment(tmp_path / "venv")
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    _borrow(_PLAIN, site)
    options = ("--disable-pip-version-check", "--no-compile", "--no-deps")
    installed = run(python, oldest_pip(), "install", *options, wheel)
    assert installed.returncode == 0, installed.stdout
    optional = {"web.tracing.otel": "opentelemetry"}
    assert _lacking(python, *_modules(content)) == optional
    # The other lock pins all that this one does, and more.
    _borrow(_WITH_OTEL, site)
    assert _lacking(python, *optional) == {}


def _lacking(python: Path, *modules: str) -> dict[str, str]:
    """Import modules; return those that cannot be, each with what it lacks."""
    done = run(python, "-I", "-c", _IMPORT, *modules, cwd=python.parent)
    assert done.returncode == 0, done.stdout
    lacking: dict[str, str] = json.loads(done.stdout)
    return lacking


def test_every_file_of_the_packages_is_in_the_wheel_but_drills_and_shell_scripts(
    content: set[str],
) -> None:
    unwanted = {*_LEFT_BEHIND, "bench", "secrets"}
    files = {
        path.relative_to(CHECKOUT)
        for name in _PACKAGES
        for path in (CHECKOUT / name).rglob("*")
        if path.is_file() and unwanted.isdisjoint(path.relative_to(CHECKOUT).parts)
    }
    wanted = {path.as_posix() for path in files if path.suffix not in {".env", ".pyc", ".sh"}}
    names = ("chaos", "crash", "outage", "pictures", "ray_chaos", "simulate")
    drills = {f"scripts/{name}.py" for name in names}
    assert wanted - content == drills
    assert {f"{name}/py.typed" for name in _PACKAGES} < content


def test_a_secret_that_lies_in_the_checkout_is_not_in_the_wheel(content: set[str]) -> None:
    assert content.isdisjoint(_SECRETS)


def _borrow(lock: str, site: Path) -> None:
    """Link into an environment what a lock pins, from the one that runs this test."""
    for pin in pins((CHECKOUT / lock).read_text(encoding="utf-8")):
        package = distribution(pin.name)
        # A name that begins with two dots is a script outside.
        for name in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            # Packages of one namespace share their folder.
            if not (site / name).exists():
                (site / name).symlink_to(str(package.locate_file(name)))


def _modules(content: set[str]) -> list[str]:
    """Name the modules of the wheel, those that run when imported left out."""
    names = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in content
        if path.endswith(".py")
    }
    return sorted(names)
