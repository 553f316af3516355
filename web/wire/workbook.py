"""Workbooks that spreadsheets open (XLSX), made row by row: memory does not grow with the rows."""

from __future__ import annotations

import re
import zipfile
from datetime import date, datetime, timedelta
from math import isfinite
from typing import IO, TYPE_CHECKING, Final, cast
from xml.sax.saxutils import escape

from web.wire.spreadsheet import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Cell = str | bool | float | date | None
    """A `datetime` without a zone is shown as it is, a mere `date` without hours."""

MAX_ROWS: Final = 1_048_576
"""Of one sheet, by the format; more go to the next."""
_MAX_BYTES: Final = 1 << 30
"""Of one sheet, before it is packed; half of what goes without the later form of archives."""
_MAX_TEXT: Final = 32_767
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPED: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""Begins what spreadsheets take for a character by its number."""
_FIRST_DAY: Final = datetime(1899, 12, 30)  # noqa: DTZ001 -- as cells count, without a zone
_DAY: Final = timedelta(days=1)
_FORMATS: Final = {datetime: 1, date: 2}
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_STYLES: Final = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="1">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm:ss"/>'
    '</numFmts><fonts count="1"><font/></fonts><fills count="2">'
    '<fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf/>'
    '<xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="14" applyNumberFormat="1"/>'
    "</cellXfs></styleSheet>"
)


class Workbook:
    """Rows under a heading; what `add` and `end` give, one after the other, is the file."""

    def __init__(
        self, heading: Sequence[str], *, max_rows: int = MAX_ROWS, max_bytes: int = _MAX_BYTES
    ) -> None:
        self._heading, self._max_rows, self._max_bytes = heading, max_rows, max_bytes
        self._made = _Made()
        self._zip = zipfile.ZipFile(
            cast("IO[bytes]", self._made), "w", zipfile.ZIP_DEFLATED, compresslevel=1
        )
        self._sheets = 0
        self._begin()

    def add(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Add rows; give the next bytes of the file."""
        for row in rows:
            if self._rows == self._max_rows or self._bytes >= self._max_bytes:
                self._finish()
                self._begin()
            self._write(row)
        return self._made.taken()

    def end(self) -> bytes:
        """Give the last bytes."""
        self._finish()
        numbers = range(1, self._sheets + 1)
        self._part("xl/styles.xml", _STYLES)
        listed = "".join(f'<sheet name="{n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
        names = f'xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"'
        self._part("xl/workbook.xml", f"<workbook {names}><sheets>{listed}</sheets></workbook>")
        sheets = {f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in numbers}
        self._part("xl/_rels/workbook.xml.rels", _related(sheets | {"s": ("styles", "styles.xml")}))
        self._part("_rels/.rels", _related({"r1": ("officeDocument", "xl/workbook.xml")}))
        kinds = {f"worksheets/sheet{n}": "worksheet" for n in numbers}
        kinds |= {"workbook": "sheet.main", "styles": "styles"}
        overrides = "".join(
            f'<Override PartName="/xl/{name}.xml" ContentType="{_TYPE}.{kind}+xml"/>'
            for name, kind in kinds.items()
        )
        self._part(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
            ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f"{overrides}</Types>",
        )
        self._zip.close()
        return self._made.taken()

    def _begin(self) -> None:
        self._sheets += 1
        self._rows = self._bytes = 0
        self._sheet = self._zip.open(f"xl/worksheets/sheet{self._sheets}.xml", "w")
        self._sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        self._write(self._heading)

    def _write(self, row: Sequence[Cell]) -> None:
        self._bytes += self._sheet.write(f"<row>{''.join(map(_cell, row))}</row>".encode())
        self._rows += 1

    def _finish(self) -> None:
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()

    def _part(self, name: str, content: str) -> None:
        self._zip.writestr(name, _XML + content)


class _Made:
    """A file that can't be gone back in, of which is kept what nobody has taken yet."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, some: bytes) -> int:
        self._bytes += some
        return len(some)

    def flush(self) -> None:
        """Do nothing, as `zipfile` asks for."""

    def taken(self) -> bytes:
        some = bytes(self._bytes)
        self._bytes.clear()
        return some


def _cell(value: Cell) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{value:d}</v></c>'
    if isinstance(value, str):
        text = _NO_XML.sub("\ufffd", plain(value)[:_MAX_TEXT])
        text = escape(_ESCAPED.sub("_x005F_", text))
        return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    if isinstance(value, date):
        at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
        return f'<c s="{_FORMATS[type(value)]}"><v>{(at - _FIRST_DAY) / _DAY!r}</v></c>'
    return f"<c><v>{value!r}</v></c>" if isfinite(value) else _cell(str(value))


def _related(parts: dict[str, tuple[str, str]]) -> str:
    related = "".join(
        f'<Relationship Id="{name}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for name, (kind, target) in parts.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{related}</Relationships>'
