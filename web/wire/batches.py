"""Decode the body of a batch in pieces, so that a large one does not keep the event loop."""

from __future__ import annotations

import re
from typing import Final

from web.wire.json_body import EXPLAINED, MAX_TOKENS, NOT_JSON, decode, decode_object
from web.wire.pauses import Pauses
from web.wire.problems import RequestError
from web.wire.structure import SLICE, Structure

_PIECE: Final = 8 * 1024
"""Bytes that are decoded in one go, and the rest of the item that they end in."""
_GAP: Final = 128 * 1024
"""Bytes between two brackets, at most."""
_UP_TO_A_BRACKET: Final = re.compile(
    rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL
)
_BEGIN: Final = re.compile(rb'(?<!\\)"updates"\s*+:\s*+\[')
_COMMA: Final = re.compile(rb"\s*+,")
_IN_ITEMS: Final = 2


async def decode_batch(body: bytes, most_tokens: int) -> dict[str, object]:
    """Read a body that must hold a JSON object, and may hold many items in `updates`.

    Others go on in between. Raises `RequestError` as `decode_object`; of `most_tokens`, one item
    and what is beside the items may have `MAX_TOKENS`.
    """
    pauses = Pauses()
    structure = Structure(most_tokens)
    for start in range(0, len(body), SLICE):
        structure.add(body[start : start + SLICE])
        await pauses.pause_if_due()
    large = structure.tokens > MAX_TOKENS or len(body) > EXPLAINED
    pieces = await _cut(body, pauses) if large else []
    if not pieces:
        return decode_object(body)
    whole = decode_object(body[: pieces[0].start] + body[pieces[-1].stop :])
    whole["updates"] = await _decode_pieces(body, pieces, pauses)
    return whole


async def _decode_pieces(body: bytes, pieces: list[slice], pauses: Pauses) -> list[object]:
    items: list[object] = []
    for piece in pieces:
        await pauses.pause_if_due()
        found = decode(b"[" + body[piece] + b"]", place=("updates", len(items)))
        if not isinstance(found, list) or (len(pieces) > 1 and not found):
            # Between two commas there is no item.
            raise RequestError(NOT_JSON)
        items += found
    return items


async def _cut(body: bytes, pauses: Pauses) -> list[slice]:
    """Find whole items of `updates`, many together, without the commas between the pieces.

    Return nothing where there are none, or too much between two brackets.
    """
    if not _BEGIN.search(body):
        return []
    pieces: list[slice] = []
    depth = end = start = 0
    while bracket := _UP_TO_A_BRACKET.match(body, end, end + _GAP):
        await pauses.pause_if_due()
        end = bracket.end()
        if bracket[1] in b"[{":
            depth += 1
            if depth == _IN_ITEMS and _BEGIN.search(body, bracket.start(), end):
                start = end
            continue
        depth -= 1
        if depth < _IN_ITEMS and (start or not depth):
            return [*pieces, slice(start, end - 1)] if start else []
        comma = _COMMA.match(body, end)
        if start and depth == _IN_ITEMS and comma and end - start >= _PIECE:
            pieces.append(slice(start, end))
            start = comma.end()
    if len(body) - end < _GAP:  # what was opened is not closed
        raise RequestError(NOT_JSON)
    return []
