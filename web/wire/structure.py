"""Count what of a JSON text costs time to read, before it is decoded: tokens and depth."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from web.wire.problems import Problem, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH: Final = 64
"""Arrays and objects inside each other."""
SLICE: Final = 16 * 1024
"""Bytes that are looked at in one go: some tens of microseconds."""
_STRUCTURE: Final = b'"[]{},:'
_OTHER: Final = bytes(each for each in range(256) if each not in _STRUCTURE)
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class Structure:
    """Counts outside of texts, slice by slice; the text need not be JSON."""

    def __init__(self, most_tokens: int) -> None:
        self.fields = 0
        """Colons: as many as there are fields, also those named twice."""
        self._most_tokens = most_tokens
        self.tokens = 0
        self._depth = 0
        self._in_text = 0
        self._rest = b""

    def add(self, part: bytes) -> None:
        """Count the next slice; raises `RequestError` when it is too much, or too deep."""
        outside = self._outside_of_texts(part)
        opening = outside.count(b"[") + outside.count(b"{")
        closing = outside.count(b"]") + outside.count(b"}")
        self.fields += outside.count(b":")
        self.tokens += len(outside) - closing
        if self.tokens > self._most_tokens:
            limit = {"limit": self._most_tokens}
            raise RequestError(Problem("INVALID_JSON", "INVALID_JSON.tokens", limit))
        if self._depth + opening > MAX_DEPTH and self._is_too_deep(outside, opening):
            raise RequestError(Problem("INVALID_JSON", "INVALID_JSON.depth", {"limit": MAX_DEPTH}))
        self._depth += opening - closing

    def _outside_of_texts(self, part: bytes) -> bytes:
        part = self._rest + part
        self._rest = b""
        if b"\\" in part:
            part = part.replace(b"\\\\", b"").replace(b'\\"', b"")
            if part.endswith(b"\\"):  # the next slice says what it escapes
                part, self._rest = part[:-1], b"\\"
        # Of two quotes side by side neither changes what is inside a text and what is not.
        pieces = part.translate(None, _OTHER).replace(b'""', b"").split(b'"')
        outside = b"".join(pieces[self._in_text :: 2])
        self._in_text = (self._in_text + len(pieces) - 1) % 2
        return outside

    def _is_too_deep(self, outside: bytes, opening: int) -> bool:
        brackets = outside.translate(None, b",:")
        closed_at_once = brackets.count(b"[]") + brackets.count(b"{}")
        if self._depth + opening - closed_at_once < MAX_DEPTH:
            return False  # of those closed at once, one adds to the depth
        steps = map(_STEPS.__getitem__, brackets)
        return max(accumulate(steps, initial=self._depth)) > MAX_DEPTH


def count_fields(body: bytes, most_tokens: int) -> int:
    """Return how many fields are named in `body`; raises `RequestError` as `Structure.add`."""
    structure = Structure(most_tokens)
    for part in slices_of(body):
        structure.add(part)
    return structure.fields


def slices_of(body: bytes) -> Iterator[bytes]:
    """Cut `body` for `Structure.add`."""
    return (body[start : start + SLICE] for start in range(0, len(body), SLICE))
