"""What a caller says about a change, taken as it comes: a scan counts, whatever is said beside it.

A long text is cut, half a character is replaced, and what is of another kind counts as not said;
the log entry keeps what that was, in short.
"""

from __future__ import annotations

import json
import math
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from actors.domain.model import LogContext
from actors.domain.rules import normalize
from web.wire.json_body import NO_UTF8, mended

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT: Final = 2000
"""Characters that a text of `logContext` may have; a longer one is cut to as many."""
MAX_ORIGINAL: Final = 200
"""Characters that are kept of what counts as not said."""
_CUT: Final = "…"
_DIGEST_BYTES: Final = 8
_TRUE: Final = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE: Final = frozenset({"false", "0", "no", "off", "f", "n"})
_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_ID_LENGTH: Final = 24
_NO_CONTEXT: Final = LogContext()


class BarcodeOperation(StrEnum):
    """Why a barcode's quantity changed, as the shared log schema lists it."""

    SCAN_PROCESS = "SCAN_PROCESS"
    SCAN_BATCH_DOC = "SCAN_BATCH_DOC"
    UNBIND_PROCESS = "UNBIND_PROCESS"
    INITIALIZE_PRODUCT = "INITIALIZE_PRODUCT"
    MANUAL_ADJUST = "MANUAL_ADJUST"
    OTHER = "OTHER"


class Source(StrEnum):
    """Where a change comes from, as the shared log schema lists it."""

    DEVICE = "DEVICE"
    WEB = "WEB"
    API = "API"
    SYSTEM = "SYSTEM"


# Mongoose casts numbers and booleans to text, and today's callers may count on it.
_LooseText = str | bool | int | float | None


class LogContextBody(BaseModel):
    """What the caller says about a change; null and empty text count as not said.

    So does what is of another kind than it should be, an operation or a source that is not
    listed, and a step that is no id; the log entry keeps it. A text is cut to 2,000 characters.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    related_barcode: _LooseText = None
    barcode_operation: BarcodeOperation | str | None = None
    process_step_id: str | None = None
    process_name: _LooseText = None
    process_code: _LooseText = None
    operator_id: _LooseText = None
    operator_name: _LooseText = None
    reason: _LooseText = None
    remark: _LooseText = None
    ip_address: _LooseText = None
    user_agent: _LooseText = None
    is_automatic: bool | str | int | None = None
    source: Source | str | None = None


class SaidContext(NamedTuple):
    """A context, and what was said where it has something else."""

    context: LogContext = _NO_CONTEXT
    altered: Mapping[str, str] = {}
    """The whole of it by field: a text as it is, all else as JSON. Tells requests apart."""


def read_context(said: object) -> SaidContext:
    """Read a `logContext`, whatever it is; never raises."""
    if said is None or said == "":
        return SaidContext()
    if isinstance(said, dict):
        return _Reader(said).read()
    reader = _Reader({"logContext": said})
    reader.set_aside("logContext")
    return reader.read()


class _Reader:
    """Reads one context, and notes what it could not take as it is."""

    def __init__(self, said: Mapping[str, object]) -> None:
        self._said = said
        self._altered: dict[str, str] = {}
        self._originals: list[tuple[str, str]] = []

    def read(self) -> SaidContext:
        """Return what the caller said."""
        automatic = self._flag("isAutomatic")
        context = LogContext(
            related_barcode=self._text("relatedBarcode", is_identity=True),
            barcode_operation=self._choice("barcodeOperation", BarcodeOperation)
            or _NO_CONTEXT.barcode_operation,
            process_step_id=self._id("processStepId"),
            process_name=self._text("processName"),
            process_code=self._text("processCode"),
            operator_id=self._text("operatorId") or _NO_CONTEXT.operator_id,
            operator_name=self._text("operatorName"),
            reason=self._text("reason"),
            remark=self._text("remark"),
            ip_address=self._text("ipAddress"),
            user_agent=self._text("userAgent"),
            is_automatic=_NO_CONTEXT.is_automatic if automatic is None else automatic,
            source=self._choice("source", Source) or _NO_CONTEXT.source,
            originals=tuple(self._originals),
        )
        return SaidContext(context, self._altered)

    def set_aside(self, name: str) -> None:
        """Keep what can't be taken, in short, beside what is."""
        whole = _as_text(self._said[name])
        self._altered[name] = whole
        self._originals.append((name, _cut(mended(whole), MAX_ORIGINAL)))

    def _text(self, name: str, *, is_identity: bool = False) -> str | None:
        value = self._said.get(name)
        text = _cast(value)
        if text is None:
            if value is not None:
                self.set_aside(name)
            return None
        kept = mended(text)
        if is_identity and (len(kept) > MAX_TEXT or NO_UTF8.search(text)):
            # Two barcodes that lose characters must not become one, or the second would not count.
            kept = kept[: MAX_TEXT - 2 * _DIGEST_BYTES - 1] + _digest(text) + _CUT
        kept = _cut(kept, MAX_TEXT)
        if kept != text:
            self._altered[name] = text
        return kept or None

    def _choice(self, name: str, kind: type[StrEnum]) -> str | None:
        value = self._said.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value in kind.__members__:
            return value
        self.set_aside(name)
        return None

    def _id(self, name: str) -> str | None:
        """Return an id as hex text; of an object that it was populated with, its `_id`."""
        value = self._said.get(name)
        if value is None or value == "":
            return None
        found = value.get("_id") if isinstance(value, dict) else value
        hex_text = found.lower() if isinstance(found, str) else ""
        is_id = len(hex_text) == _ID_LENGTH and _HEX_DIGITS.issuperset(hex_text)
        if not (is_id and isinstance(value, str)):
            self.set_aside(name)
        return hex_text if is_id else None

    def _flag(self, name: str) -> bool | None:
        value = self._said.get(name)
        if value is None or value == "" or isinstance(value, bool):
            return value if isinstance(value, bool) else None
        word = (_cast(value) or "").lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        self.set_aside(name)
        return None


def _cast(value: object) -> str | None:
    """Cast to text as Mongoose does; None for what is no text, number or boolean."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and math.isfinite(value):
        return str(normalize(value))
    return None


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + _CUT


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except RecursionError:  # nested as deep as a body can be
        return _CUT
