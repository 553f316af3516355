"""Start what is measured as processes of their own, and end each of them whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from scripts.bench.cores import running_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")
"""All that children see of this environment: no setting of another service may leak in."""
_READY_S = 30.0
_POLL_S = 0.05
_STOP_S = 40.0
"""Longer than the service takes for its own drain (30 s)."""
_TAIL = 2000


class ChildFailedError(Exception):
    """A process did not do what it was started for; says the end of its output."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}\n{log.read_text(errors='replace')[-_TAIL:]}")


def say(line: str) -> None:
    """Tell how far a bench is; its results alone go to standard output."""
    print(line, file=sys.stderr, flush=True)


def exit_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit, so that children are ended as on any other error."""

    def leave(signum: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def child(
    arguments: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    root: Path = ROOT,
    cores: frozenset[int] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python <arguments>` with its output in `log`; end it on leaving, by force after 40 s.

    What it imports is the checkout at `root`. Without `cores` it runs where its parent does.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with log.open("wb") as output, running_on(cores) if cores else nullcontext():
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=inherited | dict(env or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=root,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def checkout(revision: str, folder: Path) -> Iterator[Path]:
    """Check `revision` out into a folder of its own within `folder`, gone afterwards.

    Raises SystemExit where git knows no such revision.
    """
    at = folder / "checkout"
    _git("worktree", "add", "--detach", str(at), revision)
    try:
        yield at
    finally:
        _git("worktree", "remove", "--force", str(at))


def commit_name(revision: str = "HEAD") -> str:
    """Return the short name of a revision's commit; raises SystemExit where there is none."""
    return _git("rev-parse", "--short", "--verify", f"{revision}^{{commit}}")


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607  the developer's own git
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout.strip()


def wait_until_ready(
    process: subprocess.Popen[bytes], port: int, log: Path, within_s: float = _READY_S
) -> None:
    """Return once `/readyz` answers 200; raise ChildFailedError after that or when it ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ChildFailedError(f"ended with status {process.returncode} at start", log)
        if _is_ready(port):
            return
        time.sleep(_POLL_S)
    raise ChildFailedError(f"not ready after {within_s:.0f} s", log)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004  OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds process `pid` has used; 0 where /proc does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    # The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> Iterator[int]:
    """Return a process and all below it; none for 0."""
    if pid:
        yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for each in task.read_text(encoding="ascii").split():
                yield from family(int(each))


def cpu_s_by_name(pid: int) -> dict[str, float]:
    """Return the CPU seconds of a process and of all below it, by their names."""
    used: dict[str, float] = {}
    for each in family(pid):
        used[_name(each)] = used.get(_name(each), 0.0) + cpu_s(each)
    return used


def _name(pid: int) -> str:
    """Return the module that Python runs, what Ray calls it, or the program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "gone"
    if words[0].startswith("ray::"):
        return words[0].removeprefix("ray::").split(".")[0]
    return words[words.index("-m") + 1] if "-m" in words else Path(words[0].split(" ")[0]).name


def resident_bytes(pid: int | str = "self") -> int:
    """Return the resident memory of a process; 0 where /proc does not tell."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
