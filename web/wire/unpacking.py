"""Undo the compression of a body, of bounded size."""

from __future__ import annotations

import zlib
from typing import Final

ENCODINGS: Final = "gzip, deflate"
"""Those that are understood."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_METHOD: Final = 0x0F
_ZLIB: Final = 8
"""Method that zlib's header names; some send deflate without that header."""


class UnknownEncodingError(Exception):
    """Nothing that is understood."""


class UnpackedTooLargeError(Exception):
    """It unpacks to more than the limit."""


class DamagedError(Exception):
    """It is cut short, no such data, or has something behind its end."""


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Return what `body` was before it was compressed with `encoding`, `limit` bytes at most.

    zlib lets other threads run meanwhile. Raises `UnknownEncodingError`, `UnpackedTooLargeError`
    or `DamagedError`.
    """
    unpacker = zlib.decompressobj(_window(body, encoding))
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise DamagedError from error
    if len(unpacked) > limit:
        raise UnpackedTooLargeError
    if not unpacker.eof or unpacker.unused_data:
        raise DamagedError
    return unpacked


def _window(body: bytes, encoding: str) -> int:
    match encoding:
        case "gzip" | "x-gzip":
            return _GZIP
        case "deflate":
            has_header = bool(body) and body[0] & _METHOD == _ZLIB
            return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
        case _:
            raise UnknownEncodingError
