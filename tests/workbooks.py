"""Workbooks read back, with nothing but what Python has."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

_NS = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_FIRST_DAY = datetime(1899, 12, 30)  # noqa: DTZ001 -- as cells count


def sheet(content: bytes, number: int = 1) -> list[list[Any]]:
    """Return the cells of a sheet."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert parts.testzip() is None
        for name in parts.namelist():
            ET.fromstring(parts.read(name))  # noqa: S314 -- our own
        root = ET.fromstring(parts.read(f"xl/worksheets/sheet{number}.xml"))  # noqa: S314
    return [[_value(cell) for cell in row] for row in root.iter(f"{_NS}row")]


def sheets(content: bytes) -> list[str]:
    """Return the names of the sheets that the workbook lists."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        root = ET.fromstring(parts.read("xl/workbook.xml"))  # noqa: S314 -- our own
    return [each.attrib["name"] for each in root.iter(f"{_NS}sheet")]


def _value(cell: ET.Element) -> Any:  # noqa: ANN401
    assert cell.find(f"{_NS}f") is None, "a formula"
    text = cell.findtext(f"{_NS}is/{_NS}t")
    if text is not None:
        return text
    value = cell.findtext(f"{_NS}v")
    if value is None:
        return None
    if cell.get("t") == "b":
        return value == "1"
    if cell.get("s"):
        return _FIRST_DAY + timedelta(milliseconds=round(float(value) * 86_400_000))
    return float(value)
