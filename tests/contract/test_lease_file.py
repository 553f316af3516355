"""The file lease against processes that end in bad order, and folders that change under it."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import subprocess
import sys
import threading
import uuid
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from actors.errors import LeaseUnavailable, StartupError
from actors.lease import Holder, LeaseView
from actors.lease import file as lease_file
from actors.lease.file import FileLease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TTL_S = 30.0

# Takes the lease in the folder given and says so; with "fork", leaves a child behind as well.
# Parent and child end when their standard input does.
HOLDING_PROCESS = """
import asyncio, os, sys
from pathlib import Path
from actors.lease import Holder
from actors.lease.file import FileLease

async def hold():
    lease = FileLease(Path(sys.argv[1]), ttl_s=30)
    await lease.open()
    assert await lease.acquire(Holder(node="victim", url="http://127.0.0.1:1", token="t"))
    if "fork" in sys.argv and os.fork() == 0:
        print("held", flush=True)
        os.read(0, 1)
        os._exit(0)
    if "fork" not in sys.argv:
        print("held", flush=True)
    os.read(0, 1)

asyncio.run(hold())
"""


def a_holder() -> Holder:
    return Holder(node="a", url="http://127.0.0.1/a", token=uuid.uuid4().hex)


@contextmanager
def process_that_holds(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING_PROCESS, str(folder), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@asynccontextmanager
async def opened(folder: Path, *, ttl_s: float = TTL_S) -> AsyncIterator[FileLease]:
    lease = FileLease(folder, ttl_s=ttl_s)
    await lease.open()
    try:
        yield lease
    finally:
        await lease.close()


@pytest.fixture
async def lease(folder: Path) -> AsyncIterator[FileLease]:
    async with opened(folder) as lease:
        yield lease


@pytest.fixture
async def other(folder: Path) -> AsyncIterator[FileLease]:
    """Open the same lease for a second node."""
    async with opened(folder) as lease:
        yield lease


async def test_the_lease_of_a_killed_process_is_free(lease: FileLease, folder: Path) -> None:
    with process_that_holds(folder) as process:
        assert not await lease.acquire(a_holder())
        view = await lease.view()
        assert view is not None
        assert view.holder.node == "victim"

        process.kill()
        process.wait()

        assert (folder / "lease.json").exists()
        assert await lease.view() is None
        assert await lease.acquire(a_holder())


async def test_a_child_that_outlives_the_holder_does_not_keep_the_lease(
    lease: FileLease, folder: Path
) -> None:
    with process_that_holds(folder, "fork") as process:
        assert not await lease.acquire(a_holder())

        process.kill()
        process.wait()

        assert await lease.acquire(a_holder())


async def test_a_held_file_lease_has_no_expiry(lease: FileLease) -> None:
    holder = a_holder()
    await lease.acquire(holder)

    assert await lease.view() == LeaseView(holder, None)


async def test_closing_frees_the_lease(lease: FileLease, other: FileLease) -> None:
    await other.acquire(a_holder())

    await other.close()

    assert await lease.view() is None
    assert await lease.acquire(a_holder())


async def test_an_owner_whose_lock_file_was_deleted_has_lost_the_lease(
    lease: FileLease, other: FileLease, folder: Path
) -> None:
    old, new = a_holder(), a_holder()
    await lease.acquire(old)
    (folder / "lease.lock").unlink()
    assert await other.acquire(new)

    assert not await lease.renew(old)
    assert not await lease.release(old)
    assert not await lease.acquire(old)

    assert await lease.view() == LeaseView(new, None)


async def test_a_lost_lock_can_be_taken_again(lease: FileLease, folder: Path) -> None:
    holder = a_holder()
    await lease.acquire(holder)
    (folder / "lease.lock").unlink()

    assert await lease.view() is None
    assert await lease.acquire(holder)
    assert await lease.renew(holder)


@pytest.mark.parametrize("record", [None, b"", b"{", b"[]", b'{"node": 1}', b"\xff"])
async def test_whoever_locked_it_without_a_readable_record_holds_it(
    lease: FileLease, folder: Path, record: bytes | None
) -> None:
    with process_that_holds(folder):
        path = folder / "lease.json"
        path.unlink() if record is None else path.write_bytes(record)

        view = await lease.view()

        assert view is not None
        assert view.holder.node == "unknown"
        assert not await lease.acquire(a_holder())


async def test_a_record_that_disappeared_comes_back_with_the_next_renewal(
    lease: FileLease, other: FileLease, folder: Path
) -> None:
    holder = a_holder()
    await lease.acquire(holder)
    (folder / "lease.json").unlink()

    assert await lease.renew(holder)

    assert await other.view() == LeaseView(holder, None)


async def test_someone_who_looks_at_the_lease_puts_an_acquisition_off_and_no_more(
    lease: FileLease, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "lease.lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)

        def stop_looking_when_put_off(_: float) -> None:
            # Who waits lets others pass: this fails where it does not.
            fcntl.flock(looking, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(looking, fcntl.LOCK_UN)

        # Of the lease alone: other threads sleep, too.
        monkeypatch.setattr(lease_file, "time", SimpleNamespace(sleep=stop_looking_when_put_off))

        assert await lease.acquire(a_holder())


async def test_twenty_who_look_at_once_see_a_free_lease(lease: FileLease, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        looking = [await stack.enter_async_context(opened(folder)) for _ in range(20)]

        views = await asyncio.gather(*(each.view() for each in [lease, *looking]))

        assert set(views) == {None}


async def test_a_caller_that_gave_up_acquiring_does_not_hold_the_lease(
    lease: FileLease, other: FileLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    write_bytes = Path.write_bytes

    def slow(path: Path, content: bytes) -> int:
        begun.set()
        go_on.wait(TTL_S)
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", slow)
    attempt = asyncio.create_task(lease.acquire(a_holder()))
    await asyncio.to_thread(begun.wait, TTL_S)

    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    go_on.set()

    # Asked after the attempt, on its thread: answered when that has been undone.
    assert await lease.view() is None
    assert await other.acquire(a_holder())


async def test_a_disk_that_hangs_is_no_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    async with opened(folder, ttl_s=2) as lease:
        monkeypatch.setattr(Path, "write_bytes", lambda *_: go_on.wait(TTL_S))

        with pytest.raises(LeaseUnavailable, match="no answer"):
            await lease.acquire(a_holder())

        go_on.set()


async def test_a_busy_disk_has_more_time_at_the_start_than_for_a_renewal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    make, lease = Path.mkdir, FileLease(folder, ttl_s=1)

    def make_late(path: Path, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- as mkdir
        go_on.wait(TTL_S)
        make(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", make_late)
    opening = asyncio.create_task(lease.open())
    await asyncio.wait([opening], timeout=0.5)  # a renewal has 0.2 s
    go_on.set()
    await opening
    await lease.close()


async def test_a_folder_that_is_gone_is_no_answer(lease: FileLease, folder: Path) -> None:
    shutil.rmtree(folder)

    with pytest.raises(LeaseUnavailable, match="No such file"):
        await lease.acquire(a_holder())


async def test_a_folder_that_cannot_be_is_told_at_the_start(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    lease = FileLease(in_the_way / "data", ttl_s=TTL_S)

    with pytest.raises(StartupError) as caught:
        await lease.open()

    assert str(in_the_way) in str(caught.value)
    assert "\n" not in str(caught.value)
