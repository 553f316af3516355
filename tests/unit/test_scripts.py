from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_LOCKS = ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock")
_RAY_LOCK = "requirements-ray.lock"


@pytest.mark.parametrize(
    "script",
    ["start.sh", "test.sh", "lock.sh", "ray-head.sh", "ray-node.sh", "ray-test.sh"],
)
def test_a_script_says_how_it_is_used_without_setting_anything_up(
    script: str, tmp_path: Path
) -> None:
    answer = _run(_copy_of_the_scripts(tmp_path) / script, "--help")
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"Usage: scripts/{script}")
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("script", ["start.sh", "test.sh"])
def test_a_missing_python_is_named_with_what_to_do(script: str, tmp_path: Path) -> None:
    answer = _run(_copy_of_the_scripts(tmp_path) / script, PYTHON="no-such-python")
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "no-such-python not found: install Python 3.11 or newer" in answer.stderr


def test_a_python_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 || exit 1\n')
    old.chmod(0o755)
    answer = _run(_copy_of_the_scripts(tmp_path) / "start.sh", PYTHON=str(old))
    assert answer.returncode == 1
    assert "is Python 3.9.2: Python 3.11 or newer is needed" in answer.stderr


def test_an_unknown_option_is_refused_before_anything_is_set_up(tmp_path: Path) -> None:
    answer = _run(_copy_of_the_scripts(tmp_path) / "start.sh", "--dmeo")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "Usage:" in answer.stderr


def test_setting_up_alone_starts_nothing(tmp_path: Path) -> None:
    # A .venv that holds what the lock pins, whose Python tells what it is asked to run.
    script = _copy_of_the_scripts(tmp_path) / "start.sh"
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "$@"\n')
    python.chmod(0o755)
    shutil.copy(tmp_path / "requirements.lock", tmp_path / ".venv")
    set_up = _run(script, "--set-up")
    assert (set_up.returncode, set_up.stdout, set_up.stderr) == (0, "", "")
    assert _run(script, PORT="1").stdout == "-m web --greet \n"


def test_a_taken_port_is_named_before_anything_is_installed_or_written(tmp_path: Path) -> None:
    script = _copy_of_the_scripts(tmp_path) / "start.sh"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = _run(script, "--demo", PORT=port)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"start.sh: port {port} of 127.0.0.1 is taken")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        [*_LOCKS, _RAY_LOCK, "scripts"]
    )


def test_installing_says_how_far_it_is_and_fails_when_pip_does(tmp_path: Path) -> None:
    script = _copy_of_the_scripts(tmp_path) / "start.sh"
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    lines = "\n".join(f"Collecting package{number}==1.0" for number in range(20))
    python.write_text(f'#!/bin/sh\n[ "$3" != install ] || {{ echo "{lines}"; exit 1; }}\n')
    python.chmod(0o755)
    answer = _run(script, "--set-up")
    assert answer.returncode == 1
    assert "  10 of " in answer.stderr
    assert "  20 of " in answer.stderr
    assert "could not install requirements.lock" in answer.stderr
    assert not (tmp_path / ".venv" / "requirements.lock").exists()


def test_with_a_collector_the_packages_for_it_are_installed_once(tmp_path: Path) -> None:
    script = _copy_of_the_scripts(tmp_path) / "start.sh"
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$2" != pip ] || echo "$@" >&2\n')
    python.chmod(0o755)
    shutil.copy(tmp_path / "requirements.lock", tmp_path / ".venv")
    setting = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    said = _run(script, "--set-up", **setting).stderr
    assert "--require-hashes --requirement requirements-otel.lock" in said
    assert _run(script, "--set-up", **setting).stderr == ""
    # What it holds is more than is needed without.
    assert _run(script, "--set-up").stderr == ""


@pytest.mark.parametrize(
    ("script", "arguments", "expected"),
    [
        (
            "ray-head.sh",
            (),
            "start --head --port 6390 --include-dashboard false --block --disable-usage-stats",
        ),
        ("ray-node.sh", ("10.0.0.1:6390",), "start --address 10.0.0.1:6390 --block"),
    ],
)
def test_a_ray_machine_has_pinned_ports_a_token_and_nothing_beyond_the_loopback(
    script: str, arguments: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    path = _copy_of_the_scripts(tmp_path) / script
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name, says in (
        ("python", 'case "$2" in *token*) printf secret ;; esac'),
        ("ray", 'echo "$@"; env | grep ^RAY_'),
    ):
        (binaries / name).write_text(f"#!/bin/sh\n{says}\n")
        (binaries / name).chmod(0o755)
    shutil.copy(tmp_path / _RAY_LOCK, tmp_path / ".venv")
    token = tmp_path / "token"
    if script == "ray-node.sh":
        refused = _run(path, *arguments, RAY_AUTH_TOKEN_PATH=str(token))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "copy it from the machine of the head" in refused.stderr
        token.write_text("secret")
    said = _run(path, *arguments, RAY_AUTH_TOKEN_PATH=str(token), RAY_NODE_IP="").stdout
    assert said.startswith(expected)
    for option in (
        "--node-ip-address 127.0.0.1",
        "--node-manager-port 6391",
        "--min-worker-port 6400 --max-worker-port 6463",
        '--resources {"shard": 16}',
    ):
        assert option in said
    for setting in ("RAY_AUTH_MODE=token", "RAY_USAGE_STATS_ENABLED=0"):
        assert f"{setting}\n" in said
    assert token.read_text() == "secret"


def test_for_ray_its_packages_are_installed(tmp_path: Path) -> None:
    script = _copy_of_the_scripts(tmp_path) / "start.sh"
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$2" != pip ] || echo "$@"\n')
    python.chmod(0o755)
    said = _run(script, "--set-up", ACTOR_ENGINE="ray").stderr
    assert f"installing the packages of {_RAY_LOCK}" in said
    # It holds what spans need, too.
    setting = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert _run(script, "--set-up", **setting).stderr == ""


@pytest.mark.parametrize(
    ("pip", "ray", "reason"),
    [
        (1, 0, f"{_RAY_LOCK} can't be installed"),
        (0, 1, "there is none for Python 3.99"),
    ],
)
def test_where_there_is_no_ray_its_tests_are_skipped_on_one_line(
    pip: int, ray: int, reason: str, tmp_path: Path
) -> None:
    script = _copy_of_the_scripts(tmp_path) / "ray-test.sh"
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "requirements-dev.lock", tmp_path / ".venv")
    own = (
        f'#!/bin/sh\ncase "$*" in *install*) exit {pip} ;; *ray*) exit {ray} ;;'
        " *version) echo Python 3.99 ;; esac\n"
    )
    (tmp_path / "own").write_text(own)
    made = ".venv-ray/lib/python3.99/site-packages .venv-ray/bin"
    python.write_text(
        f'#!/bin/sh\n[ "$2" != venv ] || {{ mkdir -p {made}; install own .venv-ray/bin/python; }}\n'
    )
    python.chmod(0o755)
    for arguments, status in (((), 0), (("--set-up",), 1)):
        answer = _run(script, *arguments)
        assert (answer.returncode, answer.stdout) == (status, "")
        assert answer.stderr.count("\n") == 1
        assert answer.stderr.startswith(f"SKIPPED: no tests on Ray: {reason}")


@pytest.mark.parametrize("lock", [*_LOCKS, _RAY_LOCK])
def test_a_lock_pins_every_package_by_hash_and_names_no_address(lock: str) -> None:
    text = (_CHECKOUT / lock).read_text()
    assert "://" not in text
    packages = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert all("==" in package and "--hash=sha256:" in package for package in packages)


def test_each_lock_holds_all_of_the_one_before_at_the_same_versions() -> None:
    # venv.sh relies on it: it marks those as installed after installing one.
    run_time, traced, development = (
        set(re.findall(r"^[a-z].*==\S+", (_CHECKOUT / lock).read_text(), flags=re.MULTILINE))
        for lock in _LOCKS
    )
    assert run_time < traced < development


def test_the_lock_of_ray_holds_what_is_tested_at_the_same_versions() -> None:
    def pinned(lock: str) -> dict[str, str]:
        text = (_CHECKOUT / lock).read_text()
        return dict(re.findall(r"^([a-z0-9.-]+).*?==(\S+)", text, flags=re.MULTILINE))

    with_ray, development = pinned(_RAY_LOCK), pinned("requirements-dev.lock")
    assert pinned("requirements-otel.lock").items() <= with_ray.items()
    assert "ray" in with_ray
    shared = with_ray.keys() & development.keys()
    assert {name: with_ray[name] for name in shared} == {name: development[name] for name in shared}


def _copy_of_the_scripts(folder: Path) -> Path:
    for lock in (*_LOCKS, _RAY_LOCK):
        shutil.copy(_CHECKOUT / lock, folder)
    return Path(shutil.copytree(_CHECKOUT / "scripts", folder / "scripts"))


def _run(script: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments],
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
