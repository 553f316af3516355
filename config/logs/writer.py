"""Write lines from a thread of their own, so that a reader that stalls never stalls the loop."""

from __future__ import annotations

import contextlib
import io
import os
import select
import threading
import time
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOM_BYTES: Final = 8 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
# Lines of a busy moment leave in one write; a wake-up per line would fight over the GIL.
_GATHER_S: Final = 0.005
_RETRY_S: Final = 0.2


class Sink(Protocol):
    """Takes bytes until all are written; raises OSError or ValueError when it can't."""

    def write(self, data: bytes) -> object:
        """Take all of `data`."""
        ...

    def close(self) -> None:
        """Give the file or stream back."""
        ...


class FileDescriptorSink:
    """A file descriptor of our own, also one that was made non-blocking by someone else."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._torn = False
        self._writable = select.poll()
        self._writable.register(self._descriptor, select.POLLOUT)

    def write(self, data: bytes) -> None:
        """Write all of `data`; after a failure within a line, start on a new one."""
        left = memoryview(b"\n" + data if self._torn else data)
        while left:
            try:
                written = os.write(self._descriptor, left)
            except BlockingIOError:
                self._writable.poll(1000)
                continue
            left = left[written:]
            self._torn = bool(left)

    def close(self) -> None:
        """Close our copy of the descriptor."""
        os.close(self._descriptor)


class StreamSink:
    """A Python stream without a descriptor, such as the ones that tests use."""

    def __init__(self, stream: IO[str] | IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Write and flush `data`."""
        if isinstance(self._stream, io.TextIOBase):
            self._stream.write(data.decode())
        else:
            self._stream.write(data)  # type: ignore[arg-type]  # a binary stream
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: it is its owner's."""


def sink_for(stream: IO[str] | IO[bytes] | None) -> Sink:
    """Return the most direct way to `stream`; without one, lines go nowhere."""
    if stream is None:
        return StreamSink(io.BytesIO())
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stream.flush()
        return FileDescriptorSink(stream.fileno())
    return StreamSink(stream)


class LineWriter:
    """Queue lines and write them in order; when they don't fit, drop, count and tell later.

    `report` makes the line that tells how many were dropped.
    """

    def __init__(
        self, sink: Sink, report: Callable[[int], bytes], *, room_bytes: int = _ROOM_BYTES
    ) -> None:
        self._sink = sink
        self._report = report
        self._room_bytes = room_bytes
        # A log call may interrupt another one in the same thread (a finalizer, a signal
        # handler). SimpleQueue is made for that; anything with a lock could wait for itself.
        self._queue: SimpleQueue[bytes | threading.Event] = SimpleQueue()
        self._queued_bytes = 0
        self._reported = 0
        self.dropped = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Queue `line`, which ends in a newline; never blocks, never raises."""
        if self._closing or self._queued_bytes > self._room_bytes:
            self.dropped += 1
            return
        size = len(line)
        self._queued_bytes += size
        self._queue.put(line)

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was queued so far has been handed on; return whether it was."""
        reached = threading.Event()
        self._queue.put(reached)
        return self._thread.is_alive() and reached.wait(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Write what is queued and stop; give up after `timeout_s` when the reader stalls."""
        self._closing = True
        self._queue.put(threading.Event())
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not (self._closing and self._queue.empty()):
            first = self._queue.get()
            if not self._closing:
                time.sleep(_GATHER_S)
            lines, reached = self._gather(first)
            self._send(lines)
            for event in reached:
                event.set()
        self._sink.close()

    def _gather(self, first: bytes | threading.Event) -> tuple[list[bytes], list[threading.Event]]:
        lines: list[bytes] = []
        reached: list[threading.Event] = []
        size = 0
        item = first
        with contextlib.suppress(Empty):
            while True:
                if isinstance(item, bytes):
                    lines.append(item)
                    size += len(item)
                else:
                    reached.append(item)
                if size >= _CHUNK_BYTES:
                    break
                item = self._queue.get_nowait()
        # Not locked: a lost race makes the count wrong by a line, until the queue is empty.
        self._queued_bytes = 0 if self._queue.empty() else max(0, self._queued_bytes - size)
        return lines, reached

    def _send(self, lines: list[bytes]) -> None:
        unreported = self.dropped - self._reported
        lost = len(lines)
        try:
            if lines:
                self._sink.write(b"".join(lines))
                lost = 0
            if unreported:
                self._sink.write(self._report(unreported))
                self._reported += unreported
        except Exception:  # noqa: BLE001 there is nowhere left to tell; what is lost is counted
            self.dropped += lost
            if not self._closing:
                time.sleep(_RETRY_S)
