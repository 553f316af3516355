"""The locks install what they pin, on any day: with the oldest pip, whatever was released since."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import distribution
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.locks import CHECKOUT, LOCKS, empty_environment, pins, run, with_stubs
from tests.servers._binaries import oldest_pip

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

_PROJECTS = ("pyproject.toml", "web/clients/python/pyproject.toml")


@pytest.mark.parametrize("lock", LOCKS)
def test_the_oldest_pip_installs_what_is_pinned_though_newer_releases_are_out(
    lock: str, tmp_path: Path
) -> None:
    text = _text(lock)
    done = _install(text, tmp_path)
    assert done.returncode == 0, done.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    installed = {
        canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"]
        for each in report["install"]
    }
    assert installed == {each.name: each.version for each in pins(text)}


def test_a_lock_that_does_not_name_an_extra_does_not_outlive_the_next_release(
    tmp_path: Path,
) -> None:
    text = re.sub(
        r"^([a-z0-9.-]+)\[.+?\]==", r"\1==", _text("requirements-dev.lock"), flags=re.MULTILINE
    )
    done = _install(text, tmp_path)
    assert done.returncode != 0
    assert "all requirements must have their versions pinned with ==" in done.stdout
    assert "coverage[toml]" in done.stdout


@pytest.mark.parametrize("project", _PROJECTS)
def test_what_builds_a_wheel_is_pinned_as_in_the_lock_down_to_the_last_package(
    project: str,
) -> None:
    requires = tomllib.loads(_text(project))["build-system"]["requires"]
    locked = {f"{each.name}=={each.version}" for each in pins(_text("requirements-dev.lock"))}
    assert set(requires) <= locked
    built_with = {each.partition("==")[0] for each in requires}
    asked_for = {
        canonicalize_name(needed.name)
        for name in built_with
        for needed in map(Requirement, distribution(name).requires or ())
        if needed.marker is None or needed.marker.evaluate({"extra": ""})
    }
    assert asked_for <= built_with


@pytest.mark.parametrize("script", ["scripts/venv.sh", "scripts/lock.sh"])
def test_a_script_installs_wheels_of_pinned_packages_only(script: str) -> None:
    installs = re.findall(r" -m pip (install .*)", _text(script).replace("\\\n", " "))
    assert installs
    for each in installs:
        assert "--only-binary=:all:" in each
        assert "--require-hashes" in each or re.search(r" \w+==[\d.]+$", each)


def _text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def _install(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    index = folder / "index"
    index.mkdir()
    lock = folder / "the.lock"
    lock.write_text(with_stubs(text, index), encoding="utf-8")
    python = empty_environment(folder / "venv")
    # As scripts/venv.sh does, but for the unpacking.
    options = ("--no-input", "--disable-pip-version-check", "--no-cache-dir", "--dry-run")
    source = ("--only-binary=:all:", "--require-hashes", "--find-links", index)
    to = ("--report", folder / "report.json")
    return run(python, oldest_pip(), "install", *options, *source, *to, "--requirement", lock)
