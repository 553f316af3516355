"""A log file that is put aside when it is full, and a number of those put aside before."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from config.logs.writer import FileDescriptorSink

if TYPE_CHECKING:
    from pathlib import Path


class RotatingFile:
    """A sink for whole lines: `name`, then `name.1`, the youngest put aside, up to `name.kept`."""

    def __init__(self, path: Path, max_bytes: int, kept: int) -> None:
        """Open the file, to go on at its end; raises OSError."""
        self._path, self._max_bytes, self._kept = path, max_bytes, kept
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sink, self._size = self._open()

    def _open(self) -> tuple[FileDescriptorSink, int]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o640)
        try:
            return FileDescriptorSink(descriptor), os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def write(self, data: bytes) -> None:
        """Write lines; a file that can't be put aside grows on."""
        if self._size and self._size + len(data) > self._max_bytes:
            with suppress(OSError):
                self._put_aside()
        self._sink.write(data)
        self._size += len(data)

    def _put_aside(self) -> None:
        for number in range(self._kept - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        full, (self._sink, self._size) = self._sink, self._open()
        full.close()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        """Close the file."""
        self._sink.close()
