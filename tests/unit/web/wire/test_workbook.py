"""Workbooks: all that a cell may have, sheet after sheet, in little memory."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from datetime import date, datetime
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tests.workbooks import sheet, sheets
from web.wire.workbook import Workbook

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_MOMENT = datetime(2026, 11, 23, 20, 0, 1, 5000)  # noqa: DTZ001 -- as cells have it


def test_cells_come_back_as_they_were_given() -> None:
    workbook = Workbook(["a", "b"])
    some = workbook.add([["<&>", 1], [True, 2.5], [None, -1]])
    some += workbook.add([[_MOMENT, date(2026, 2, 28)], ["  x\n", 10**15]])
    assert sheet(some + workbook.end()) == [
        ["a", "b"],
        ["<&>", 1],
        [True, 2.5],
        [None, -1],
        [_MOMENT, datetime(2026, 2, 28)],  # noqa: DTZ001 -- as a cell has it
        ["  x\n", 1e15],
    ]


def test_what_looks_like_a_formula_is_a_text() -> None:
    workbook = Workbook(["a"])
    some = workbook.add([["=HYPERLINK(1)"], ["@x"], ["x=1"]])
    cells = sheet(some + workbook.end())
    assert cells[1:] == [["'=HYPERLINK(1)"], ["'@x"], ["x=1"]]


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_text_is_a_cell(text: str) -> None:
    workbook = Workbook(["a"])
    [_, [cell]] = sheet(workbook.add([[f"x{text}"]]) + workbook.end())
    # A carriage return is a new line to who reads XML, and what XML has not is a mark.
    assert len(cell.replace("\r", "\n")) <= len(text) + 1
    assert cell.startswith("x")


def test_more_rows_than_a_sheet_has_go_to_the_next() -> None:
    workbook = Workbook(["n"], max_rows=3)
    content = workbook.add([[n] for n in range(5)]) + workbook.end()
    assert sheets(content) == ["1", "2", "3"]
    assert [sheet(content, n) for n in (1, 2, 3)] == [
        [["n"], [0], [1]],
        [["n"], [2], [3]],
        [["n"], [4]],
    ]


def test_a_sheet_ends_before_it_is_more_than_an_archive_takes() -> None:
    workbook = Workbook(["n"], max_bytes=100)
    content = workbook.add([["x" * 60], [2]]) + workbook.end()
    assert [sheet(content, n) for n in (1, 2)] == [[["n"], ["x" * 60]], [["n"], [2]]]


def test_what_is_no_number_to_a_spreadsheet_and_what_looks_escaped_are_texts() -> None:
    workbook = Workbook(["a"])
    content = workbook.add([[float("inf")], [float("nan")], ["_x000A_ _x_"]]) + workbook.end()
    # Who opens it reads `_x005F_` as an underscore.
    assert sheet(content)[1:] == [["inf"], ["nan"], ["_x005F_x000A_ _x_"]]


def test_each_fill_is_of_some_pattern() -> None:
    with zipfile.ZipFile(io.BytesIO(Workbook(["a"]).end())) as parts:
        styles = ET.fromstring(parts.read("xl/styles.xml"))  # noqa: S314 -- our own
    assert all(len(each) == 1 for each in styles.iter(f"{{{_MAIN}}}fill"))


def test_nothing_that_was_taken_is_kept() -> None:
    workbook = Workbook(["n", "text"])
    rows: list[list[Any]] = [[n, f"{n:x}" * 10] for n in range(500)]
    workbook.add(rows)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    taken = sum(len(workbook.add(rows)) for _ in range(40))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken > 100_000
    assert after - before < taken / 4
