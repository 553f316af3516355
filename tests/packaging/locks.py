"""Lock files as pip sees them, and an index on disk that has a newer release of every package.

The wheels of that index hold the installed packages' own metadata and nothing else, so that pip
resolves what it would resolve, without a download.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.version import Version

CHECKOUT: Final = Path(__file__).parents[2]
LOCKS: Final = ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock")
_PIN: Final = re.compile(r"^([a-z0-9.-]+)(\[[^\]]+\])?==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)
_HASHES: Final = re.compile(r"^    --hash=\S+( \\)?\n", re.MULTILINE)
_DEADLINE_S: Final = 100


@dataclass(frozen=True, slots=True)
class Pin:
    """A package that a lock pins, with the extras that it names."""

    name: str
    extras: str
    version: str


def pins(lock: str) -> list[Pin]:
    """Return what a lock pins for this Python on this platform; takes the lock's text."""
    return [
        Pin(found[1], found[2] or "", found[3])
        for found in _PIN.finditer(lock)
        if found[4] is None or Marker(found[4]).evaluate()
    ]


def with_stubs(lock: str, index: Path) -> str:
    """Fill an index for a lock; return the lock's text with the hashes of the wheels in there."""
    hashes = {}
    for pin in pins(lock):
        hashes[pin.name] = _stub(index, pin.name, pin.version)
        _stub(index, pin.name, _newer(pin.version))

    def line(found: re.Match[str]) -> str:
        # Where the marker leaves a package out, any hash does.
        return f"{found[0]}\n    --hash=sha256:{hashes.get(found[1], '0' * 64)}"

    return _PIN.sub(line, _HASHES.sub("", lock))


def empty_environment(folder: Path) -> Path:
    """Make an environment that holds nothing, not even pip; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program that nothing of ours is set for, pip's settings and indexes least of all."""
    return subprocess.run(
        [str(word) for word in command],
        check=False,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_DEADLINE_S,
    )


def _newer(version: str) -> str:
    """Return a later release that fits most of what asks for this one or a newer one."""
    parsed = Version(version)
    return f"{version.removesuffix(f'.post{parsed.post}')}.post{(parsed.post or 0) + 1}"


def _stub(index: Path, name: str, version: str) -> str:
    """Write a wheel with the metadata of the installed package; return its SHA-256."""
    metadata = re.sub(
        r"^Version: .+$",
        f"Version: {version}",
        distribution(name).read_text("METADATA") or "",
        count=1,
        flags=re.MULTILINE,
    )
    stem = f"{name.replace('-', '_').replace('.', '_')}-{version}"
    path = index / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
        wheel.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: stub\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()
