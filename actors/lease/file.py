"""The lease as a locked file, for nodes that share a data folder on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from actors.errors import LeaseUnavailable, StartupError
from actors.lease.port import UNKNOWN, Holder, LeaseView, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")

# Looks at the lease lock it for an instant, but shared: they put an acquisition off, no more.
_TRIES = 100
_BETWEEN_TRIES_S = 0.001
_OPEN_LIMIT_S = 5.0
"""At the start nothing depends on a quick answer, and a disk may be busy."""


class FileLease:
    """Hold the lease as an exclusive flock on `<folder>/lease.lock`; for as long as it is open.

    The kernel frees it when the holder ends, however it ends, and not before: it has no expiry
    (`LeaseView.ttl_s` is None). `<folder>/lease.json` says who the holder is. Each call but
    `open` ends within `ttl_s` / 5; all that touches the disk happens in a thread of its own.
    """

    name = "file"

    def __init__(self, folder: Path, *, ttl_s: float) -> None:
        self._folder = folder
        self._limit_s = ttl_s / 5
        self._lock = _LockFile(folder)
        self._worker: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self._folder}>"

    async def open(self) -> None:
        """Create the folder and try a lock in it; raises `StartupError` when that fails."""
        # One thread: what was asked first is done first, and the lock needs no lock.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="file-lease")
        try:
            await self._within(max(self._limit_s, _OPEN_LIMIT_S), self._lock.prepare)
        except LeaseUnavailable as exc:
            await self.close()
            raise StartupError(str(exc)) from exc.__cause__

    async def close(self) -> None:
        """Close the lock file, which ends a lease that is still held. Idempotent."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(worker, self._lock.drop)
        finally:
            worker.shutdown(wait=False)

    async def acquire(self, holder: Holder) -> bool:
        """Take the lease if nobody holds it; tell whether `holder` has it now."""
        worker = self._worker
        try:
            return await self._run(self._lock.acquire, holder)
        except BaseException:
            # The thread goes on. What it still gets would be held for ever, known to nobody.
            if worker is not None:
                with contextlib.suppress(RuntimeError):  # closed meanwhile, so nothing is held
                    worker.submit(self._lock.release, holder)
            raise

    async def renew(self, holder: Holder) -> bool:
        """Store `holder` if its token has the lease; False when the lock file was deleted."""
        return await self._run(self._lock.renew, holder)

    async def release(self, holder: Holder) -> bool:
        """Give the lease up if `holder`'s token has it; tell whether it had."""
        return await self._run(self._lock.release, holder)

    async def view(self) -> LeaseView | None:
        """Read the lease; None when nobody holds it, whatever a dead holder left behind."""
        return await self._run(self._lock.view)

    async def clear_stuck(self) -> int:
        """Return 0: the lock ends with its holder, so there is never one without."""
        return 0

    async def _run(
        self, work: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs
    ) -> _Result:
        return await self._within(self._limit_s, lambda: work(*args, **kwargs))

    async def _within(self, limit_s: float, work: Callable[[], _Result]) -> _Result:
        worker = self._worker
        if worker is None:
            raise LeaseUnavailable("the file lease is not open")
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.wrap_future(worker.submit(work))
        except TimeoutError as exc:
            raise self._unavailable(f"no answer in {limit_s:g} s") from exc
        except OSError as exc:
            raise self._unavailable(exc.strerror or type(exc).__name__) from exc

    def _unavailable(self, reason: str) -> LeaseUnavailable:
        return LeaseUnavailable(f"the lease in {self._folder} can't be used: {reason}")


class _LockFile:
    """The blocking side: one thread at a time; raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "lease.lock"
        self._record = folder / "lease.json"
        self._fd: int | None = None
        self._holder: Holder | None = None
        _lock_files.add(self)

    def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644))
        self._is_locked()

    def drop(self) -> None:
        """Close the file; that unlocks it unless a forked process has it open too."""
        fd, self._fd, self._holder = self._fd, None, None
        if fd is not None:
            os.close(fd)

    def acquire(self, holder: Holder) -> bool:
        if self._held() is not None:
            return self.renew(holder)
        self.drop()
        try:
            if self._lock():
                self._write(holder)
                return True
        except BaseException:
            self.drop()
            raise
        self.drop()
        return False

    def renew(self, holder: Holder) -> bool:
        held = self._held()
        if held is None or held.token != holder.token:
            return False
        if held != holder or not self._record.exists():
            self._write(holder)
        return True

    def release(self, holder: Holder) -> bool:
        held = self._held()
        if held is None or held.token != holder.token:
            return False
        # First the record: once unlocked, it may be the next holder's.
        self._record.unlink(missing_ok=True)
        self.drop()
        return True

    def view(self) -> LeaseView | None:
        held = self._held()
        if held is not None:
            return LeaseView(held, None)
        if not self._is_locked():
            return None
        try:
            return LeaseView(decode(self._record.read_bytes()), None)
        except FileNotFoundError:
            return LeaseView(UNKNOWN, None)

    def _held(self) -> Holder | None:
        """Return our holder while the file we locked is the one that others would lock."""
        return self._holder if self._fd is not None and self._is_in_place(self._fd) else None

    def _is_in_place(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except FileNotFoundError:
            return False

    def _lock(self) -> bool:
        for _ in range(_TRIES):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            if _flock(self._fd, fcntl.LOCK_EX):
                if self._is_in_place(self._fd):
                    return True
            elif not _flock(self._fd, fcntl.LOCK_SH):
                return False
            self.drop()
            time.sleep(_BETWEEN_TRIES_S)
        return False

    def _is_locked(self) -> bool:
        """Return whether anyone holds the lock, by taking a shared one for an instant."""
        try:
            fd = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _flock(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)

    def _write(self, holder: Holder) -> None:
        """Replace the record in one step; not synced, as a crash of the machine ends the lock."""
        draft = self._record.with_suffix(".json.new")
        draft.write_bytes(encode(holder))
        draft.replace(self._record)
        self._holder = holder


def _flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_lock_files: weakref.WeakSet[_LockFile] = weakref.WeakSet()


def _drop_in_child() -> None:
    """Close in a forked child what it inherited: it would keep the lock of a parent that ended."""
    for lock_file in _lock_files:
        lock_file.drop()


# A started program inherits nothing: Python opens files close-on-exec.
os.register_at_fork(after_in_child=_drop_in_child)
