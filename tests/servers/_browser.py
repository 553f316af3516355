"""Find Chromium for the tests in a browser: on PATH, else installed by apt where root may do that.

No wheel carries it. With it comes a font that has Chinese in it, for what people look at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.servers._errors import ServerError

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_PACKAGES: Final = ("chromium", "fonts-wqy-microhei")
_INSTALL_DEADLINE_S: Final = 600
_LOCK_POLL_S: Final = 1
_START_DEADLINE_S: Final = 30
_BY_HAND: Final = f"apt-get install --no-install-recommends {' '.join(_PACKAGES)}"


def chromium() -> Path:
    """Find the browser; raises ServerError that says how to get one."""
    found = _found()
    if found is None:
        raise ServerError(
            "chromium is not on PATH, and the tests in a browser need it: run"
            f" `{_BY_HAND}` as root, or put chromium or google-chrome on PATH"
        )
    return found


def fetch_chromium() -> Path:
    """Find the browser, installing it where we are root and there is apt; raises ServerError."""
    if _found() is not None or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return chromium()
    deadline = time.monotonic() + _INSTALL_DEADLINE_S
    # Lists that are old but there may do: what counts is whether the packages can be had.
    update = _apt(deadline, "update")
    install = _apt(deadline, "install", "-y", "--no-install-recommends", *_PACKAGES)
    said = f"{update.stdout}\n{install.stdout}"
    found = _found()
    if install.returncode != 0 or found is None:
        raise ServerError(f"chromium could not be installed; try `{_BY_HAND}`:\n{said}")
    _check(found)
    return found


def _found() -> Path | None:
    return next((Path(path) for path in map(shutil.which, _NAMES) if path), None)


def _apt(deadline: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run apt-get without questions, as often as another one holds a lock of it."""
    while True:
        left_s = max(1, round(deadline - time.monotonic()))
        # It waits for dpkg's lock by itself, but not for those of its lists and archives.
        options = ["-q", "-o", f"DPkg::Lock::Timeout={left_s}", "-o", "Acquire::Retries=3"]
        try:
            ended = subprocess.run(
                ["apt-get", *options, *arguments],  # noqa: S607 -- where PATH has it
                check=False,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=left_s,
            )
        except subprocess.TimeoutExpired as error:
            raise ServerError(
                f"apt-get {arguments[0]} took more than the {_INSTALL_DEADLINE_S} s there were"
                f" to install chromium; try `{_BY_HAND}`"
            ) from error
        locked = ended.returncode != 0 and "Could not get lock" in ended.stdout
        if not locked or time.monotonic() > deadline:
            return ended
        time.sleep(_LOCK_POLL_S)


def _check(program: Path) -> None:
    """Find out whether it starts: on some systems the package only points to another store."""
    try:
        subprocess.run(
            [str(program), "--version"],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_START_DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stdout", None) or ""
        raise ServerError(
            f"{program} was installed, but does not start: {error}\n{said}"
        ) from error
