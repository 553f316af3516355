"""A log file: lines whole and in order over all its parts, and an end to what they take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import structlog

from config.logs.file import RotatingFile
from config.logs.setup import configure_logging

if TYPE_CHECKING:
    from pathlib import Path


def _line(number: int) -> bytes:
    return b"line %06d\n" % number


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "orders.log"
    file = RotatingFile(path, 100, 3)
    for number in range(100):
        file.write(_line(number))
    file.close()
    parts = [path.with_name(f"orders.log.{number}") for number in (3, 2, 1)] + [path]
    assert sorted(path.parent.iterdir()) == sorted(parts)
    assert all(0 < part.stat().st_size <= 100 for part in parts)
    text = b"".join(part.read_bytes() for part in parts)
    lines = text.splitlines(keepends=True)
    assert lines == [_line(number) for number in range(100 - len(lines), 100)]
    assert len(lines) > 24


def test_an_existing_file_goes_on_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    for number in range(2):
        file = RotatingFile(path, 1_000, 3)
        file.write(_line(number))
        file.close()
    assert path.read_bytes() == _line(0) + _line(1)


def test_a_line_larger_than_a_file_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    file = RotatingFile(path, 10, 1)
    file.write(b"x" * 50 + b"\n")
    file.write(b"y\n")
    file.close()
    assert (path.read_bytes(), path.with_name("orders.log.1").stat().st_size) == (b"y\n", 51)


def test_a_file_that_can_not_be_put_aside_grows_on(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    file = RotatingFile(path, 10, 1)
    path.with_name("orders.log.1").mkdir()
    for number in range(5):
        file.write(_line(number))
    file.close()
    assert path.read_bytes() == b"".join(map(_line, range(5)))


def test_a_file_in_a_place_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        RotatingFile(tmp_path / "file" / "orders.log", 10, 1)


def test_events_go_to_the_file_and_the_level_can_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orders.log"
    handle = configure_logging("info", "json", file=RotatingFile(path, 10_000, 1))
    try:
        log = structlog.get_logger("test")
        log.debug("unseen")
        handle.set_level("debug")
        log.debug("seen")
        assert handle.level == "debug"
        assert handle.flush()
    finally:
        handle.close()
    assert [json.loads(line)["event"] for line in path.read_text("utf-8").splitlines()] == ["seen"]
    assert capsys.readouterr().out == ""
