"""Batches: which there are, and their bodies decoded in pieces, which do not keep the loop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.runtime.slices import in_slices
from web.wire.json_body import MAX_TOKENS, NOT_JSON, READ_SLOWLY, decode, decode_object
from web.wire.problems import RequestError
from web.wire.structure import Structure, slices_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 8 * 1024
"""Bytes that are decoded in one go, and the rest of the item that they end in."""
_GAP: Final = 128 * 1024
"""Bytes between two brackets, at most."""
_UP_TO_A_BRACKET: Final = re.compile(
    rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL
)
_BEGIN: Final = re.compile(rb'(?<!\\)"(updates|operations)"\s*+:\s*+\[')
_COMMA: Final = re.compile(rb"\s*+,")
_IN_ITEMS: Final = 2


class Batch(NamedTuple):
    """One kind of batch: the names of its fields, and of its messages."""

    items: str
    """In its body."""
    what: str
    """In an item: what is to be done."""
    done: str
    done_in_part: str
    not_done: str


UPDATES: Final = Batch("updates", "type", "UPDATED.batch", "PARTIALLY_UPDATED", "NOT_UPDATED")
OPERATIONS: Final = Batch(
    "operations",
    "operation",
    "OK.operated.batch",
    "PARTIALLY_UPDATED.operations",
    "NOT_UPDATED.operations",
)


async def decode_batch(body: bytes, most_tokens: int) -> dict[str, object]:
    """Read a body that must hold a JSON object, and may hold many items, of either kind.

    Others go on in between. Raises `RequestError` as `decode_object`; of `most_tokens`, one item
    and what is beside the items may have `MAX_TOKENS`.
    """
    structure = Structure(most_tokens)
    await in_slices(structure.add, slices_of(body))
    pieces: list[slice] = []
    if structure.tokens > MAX_TOKENS or len(body) > READ_SLOWLY:
        cutter = _Cutter(body)
        await in_slices(cutter.take, cutter.brackets())
        pieces = cutter.pieces
    if not pieces:
        return decode_object(body)
    whole = decode_object(body[: pieces[0].start] + body[pieces[-1].stop :])
    decoded = await in_slices(decode, (b"[" + body[piece] + b"]" for piece in pieces))
    whole[cutter.name] = _joined(decoded)
    return whole


def _joined(decoded: list[object]) -> list[object]:
    items: list[object] = []
    for piece in decoded:
        if not isinstance(piece, list) or (len(decoded) > 1 and not piece):
            # Between two commas there is no item.
            raise RequestError(NOT_JSON)
        items += piece
    return items


class _Cutter:
    """Finds whole items, many together, without the commas between the pieces."""

    def __init__(self, body: bytes) -> None:
        self.pieces: list[slice] = []
        """None where there are no items, or too much is between two brackets."""
        self.name = ""
        """The field that they are in."""
        self._found: list[slice] = []
        self._body = body
        self._depth = self._start = 0
        self._done = not _BEGIN.search(body)

    def brackets(self) -> Iterator[re.Match[bytes]]:
        """Match up to each bracket; raises `RequestError` when what was opened is not closed."""
        end = 0
        while not self._done:
            bracket = _UP_TO_A_BRACKET.match(self._body, end, end + _GAP)
            if bracket is None:
                if len(self._body) - end < _GAP:
                    raise RequestError(NOT_JSON)
                return
            yield bracket
            end = bracket.end()

    def take(self, bracket: re.Match[bytes]) -> None:
        """Cut behind a bracket where an item ends with it."""
        end = bracket.end()
        if bracket[1] in b"[{":
            self._depth += 1
            begin = _BEGIN.search(self._body, bracket.start(), end)
            if self._depth == _IN_ITEMS and begin:
                self._start, self.name = end, begin[1].decode()
            return
        self._depth -= 1
        if self._depth < _IN_ITEMS and self._start:
            self.pieces = [*self._found, slice(self._start, end - 1)]
        self._done = bool(self.pieces) or not self._depth
        comma = _COMMA.match(self._body, end)
        at_item = self._start and self._depth == _IN_ITEMS
        if at_item and comma and end - self._start >= _PIECE:
            self._found.append(slice(self._start, end))
            self._start = comma.end()
