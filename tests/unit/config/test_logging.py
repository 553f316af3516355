from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import resource
import subprocess
import sys
import threading
import uuid
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config import LogFormat, LogHandle, LogLevel, configure_logging
from config.logs.render import JsonRenderer
from config.logs.writer import LineWriter, sink_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import FilteringBoundLogger

CANARY = "canary7391"
URI = f"mongodb://user:{CANARY}@db:27017/factory"
DEADLINE_S = 100.0

# As every module does: made when imported, before anything is configured.
log: FilteringBoundLogger = structlog.get_logger()


class Output:
    """Logs that go to a file, and what is in it."""

    def __init__(self, path: Path, level: LogLevel, fmt: LogFormat) -> None:
        self._path = path
        with path.open("wb") as file:
            self.handle: LogHandle = configure_logging(level, fmt, file)

    @property
    def text(self) -> str:
        assert self.handle.flush(DEADLINE_S)
        return self._path.read_text("utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        (line,) = self.lines
        return line


@contextmanager
def logging_to(path: Path, level: LogLevel = "info", fmt: LogFormat = "json") -> Iterator[Output]:
    output = Output(path, level, fmt)
    try:
        yield output
    finally:
        output.handle.close()


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    with logging_to(tmp_path / "log") as output:
        yield output


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def foreign_record(message: str, *arguments: object) -> None:
    """Hand a record to our handler alone: pytest's own raises when the arguments don't fit."""
    record = logging.LogRecord("library", logging.WARNING, "", 0, message, arguments, None)
    (ours,) = [handler for handler in logging.root.handlers if "config" in type(handler).__module__]
    ours.handle(record)


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.stderr == ""
    return done.stdout


def test_an_event_is_one_json_object_with_time_level_and_event_first(output: Output) -> None:
    before = datetime.now(UTC)
    log.info("update_applied", work_order_id="65a1", quantity=-3, seq=7, replayed=False, to=None)

    line = output.line
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    written = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((written - before).total_seconds()) < DEADLINE_S
    assert line == {
        "level": "info",
        "event": "update_applied",
        "work_order_id": "65a1",
        "quantity": -3,
        "seq": 7,
        "replayed": False,
        "to": None,
    }


def test_bound_fields_come_with_every_event(output: Output) -> None:
    log.bind(node="n1").info("a", b=1)

    assert (output.line["node"], output.line["b"]) == ("n1", 1)


def test_levels_are_called_by_their_standard_names(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log", "debug") as output:
        for method in ("debug", "info", "msg", "warning", "warn", "error", "critical", "fatal"):
            getattr(log, method)(method)

        assert [line["level"] for line in output.lines] == [
            "debug", "info", "info", "warning", "warning", "error", "critical", "critical",
        ]  # fmt: skip


def test_the_level_changes_while_loggers_live(output: Output) -> None:
    bound = log.bind(a=1)
    for level in ("warning", "debug", "critical", "info"):
        output.handle.set_level(level)
        for logger in (log, bound):
            logger.debug("debug", now=level)
            logger.info("info", now=level)
            logger.error("error", now=level)

    assert [(line["now"], line["event"]) for line in output.lines] == [
        *[("warning", "error")] * 2,
        *[("debug", "debug"), ("debug", "info"), ("debug", "error")] * 2,
        *[("info", "info"), ("info", "error")] * 2,
    ]


def test_a_logger_in_use_follows_when_logging_is_set_up_anew(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with logging_to(tmp_path / name) as output:
            log.info(name)
            assert output.line["event"] == name
        log.info("after close, to nobody")
    assert "nobody" not in (tmp_path / "first").read_text() + (tmp_path / "second").read_text()


def test_tests_can_capture_events_of_loggers_in_use(output: Output) -> None:
    log.info("seen")
    with structlog.testing.capture_logs() as captured:
        log.info("captured", a=1)
    log.info("seen")

    assert captured == [{"event": "captured", "a": 1, "log_level": "info"}]
    assert [line["event"] for line in output.lines] == ["seen", "seen"]


class Status(StrEnum):
    PAUSED = "PAUSED"


class Pair(Enum):
    ONE = (1, "x")


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Chatty:
    """Logs while it is being logged, as a finalizer or a signal handler may."""

    def __str__(self) -> str:
        log.info("inner")
        return "chatty"


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Status.PAUSED, "PAUSED"),
        (Pair.ONE, [1, "x"]),
        (datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC), "2026-11-23T01:02:03Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/srv"), "/srv"),
        (b"\x00\xff", "<2 bytes>"),
        (2**63 - 1, 2**63 - 1),
        (2**80, "0x100000000000000000000"),
        (float("nan"), None),
        (float("inf"), None),
        ("工单\n\x1b[0m", "工单\n\x1b[0m"),
        ("half \ud800 pair", "half \\ud800 pair"),
        ((1, "a"), [1, "a"]),
        ({3}, [3]),
        ({1: {"two": [3.5]}}, {"1": {"two": [3.5]}}),
        (ValueError("bad"), "ValueError: bad"),
        (Unprintable(), "<Unprintable, not printable>"),
        ([Unprintable()], ["<Unprintable, not printable>"]),
        (nested(9), [[[[[["<list, nested too deep>"]]]]]]),
        (SecretStr(CANARY), "**********"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_is_written_as_json(output: Output, value: object, written: object) -> None:
    log.info("a", value=value)

    assert output.line["value"] == written


def test_a_cycle_is_cut(output: Output) -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    log.info("a", value=cycle)

    assert "nested too deep" in output.text


def test_huge_values_are_cut_so_that_a_line_stays_readable(output: Output) -> None:
    log.info("a", text="x" * 10_000_000, many=list(range(1_000_000)), after="kept?")
    log.error("b", exc_info=ValueError("y" * 10_000_000))
    log.error("c", exc_info=ValueError(f"{URI}\n" * 100_000))

    first, second, third = output.lines
    assert first["text"].endswith("…[cut]")
    assert first["many"][-1] == "…[cut]"
    assert second["exception"]["message"].endswith("y…[cut]")
    assert third["exception"]["stack"].endswith("mongodb://***@db:27017/factory\n\n")
    assert CANARY not in output.text
    assert all(len(line) < 100_000 for line in output.text.splitlines())


@pytest.mark.parametrize(
    ("method", "arguments", "fields"),
    [
        ("info", ["%s %s", 1], {}),
        ("info", ["a"], {"event": "other", "method_name": 1, "self": 2}),
        ("info", ["a"], {"timestamp": 1, "level": 2, "exception": 3, "exc_info": 4}),
        ("info", [None], {}),
        ("info", [Unprintable()], {}),
        ("debug", ["a"], {"event": "filtered out"}),
        ("exception", ["outside of an except block"], {}),
    ],
)
def test_a_log_call_never_raises(
    output: Output, method: str, arguments: list[Any], fields: dict[str, Any]
) -> None:
    getattr(log, method)(*arguments, **fields)
    log.info("last")

    assert output.lines[-1]["event"] == "last"
    assert len(output.lines) == (1 if method == "debug" else 2)


def test_fields_do_not_displace_what_a_line_says_of_itself(output: Output) -> None:
    fields: dict[str, Any] = {"event": "b", "level": "high", "timestamp": 1, "exception": "none"}
    log.info("a", **fields)

    line = output.line
    assert (line["event"], line["level"]) == ("a", "info")
    assert {name: line[f"field_{name}"] for name in fields} == fields


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()


class Broken(dict[str, Any]):
    """A mapping that changes while it is read, say, or reads from somewhere."""

    def items(self) -> NoReturn:
        raise RuntimeError("changed size during iteration")


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_an_event_that_can_not_be_rendered_is_told_of(tmp_path: Path, fmt: LogFormat) -> None:
    with logging_to(tmp_path / "log", fmt=fmt) as output:
        log.info("a", value=Broken(b=1))

        assert "log_line_not_rendered" in output.text
        assert "RuntimeError" in output.text


@given(
    st.dictionaries(
        st.text(),
        VALUES | st.lists(VALUES) | st.dictionaries(st.integers() | st.text(), VALUES),
        max_size=4,
    )
)
def test_any_fields_make_one_line_of_json(fields: dict[str, Any]) -> None:
    line = JsonRenderer()(None, "info", {**fields, "event": "a"})

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    record = json.loads(line)
    assert list(record)[:3] == ["timestamp", "level", "event"]


def test_logging_while_logging_does_not_block(output: Output) -> None:
    log.info("outer", value=Chatty())

    assert sorted(line["event"] for line in output.lines) == ["inner", "outer"]


def test_an_exception_is_a_field_of_type_message_and_stack(output: Output) -> None:
    try:
        fail(json.JSONDecodeError("bad", "", 0), cause=KeyError("cause"))
    except ValueError:
        log.exception("failed", a=1)
    log.error("failed too", exc_info=ValueError("given"))

    first, second = output.lines
    assert (first["level"], first["a"]) == ("error", 1)
    assert first["exception"]["type"] == "json.decoder.JSONDecodeError"
    assert first["exception"]["message"] == "bad: line 1 column 1 (char 0)"
    assert "KeyError: 'cause'" in first["exception"]["stack"]
    assert "test_logging.py" in first["exception"]["stack"]
    assert second["exception"]["type"] == "ValueError"
    assert "exc_info" not in first


def test_records_of_libraries_come_as_events_from_warning_up(output: Output) -> None:
    library = logging.getLogger("aiohttp.server")
    library.info("not shown")
    library.warning("slow %s", "client")
    foreign_record("one %s", "too", "many")
    try:
        fail(OSError("gone"))
    except OSError:
        library.exception("lost")

    first, second, third = output.lines
    assert (first["level"], first["event"], first["logger"]) == (
        "warning",
        "slow client",
        "aiohttp.server",
    )
    assert second["event"] == "one %s"
    assert (third["level"], third["exception"]["message"]) == ("error", "gone")


def test_records_of_libraries_are_all_shown_at_debug_and_fewer_above_warning(
    output: Output,
) -> None:
    library = logging.getLogger("pymongo")
    for level in ("debug", "error", "info"):
        output.handle.set_level(level)
        library.debug(f"{level} debug")
        library.warning(f"{level} warning")
        library.error(f"{level} error")

    assert [line["event"] for line in output.lines] == [
        *["debug debug", "debug warning", "debug error"],
        "error error",
        *["info warning", "info error"],
    ]


def test_the_standard_logging_is_left_as_it_was(tmp_path: Path) -> None:
    before = (list(logging.root.handlers), logging.root.level, warnings.showwarning)
    with logging_to(tmp_path / "log", "debug"):
        assert logging.root.level == logging.DEBUG
    after = (list(logging.root.handlers), logging.root.level, warnings.showwarning)

    assert after == before


def tell_secrets() -> None:
    log.info("secret_names", password=CANARY, api_key=CANARY, Authorization=f"Bearer {CANARY}")
    log.info("secret_names", redis_password=CANARY, cookies=[CANARY], accessToken=CANARY)
    log.info("nested", config={"a": [{"mongo_secret": CANARY, "uri": URI}]}, headers=(URI,))
    log.info("url", uri=URI, text=f"can't reach {URI}, giving up")
    log.info("unescaped", uri=f"redis://:a/{CANARY}@?{CANARY}@host", of=Status.PAUSED)
    log.info(URI)
    log.info("object", value=SecretHolder())
    log.info("url of %s", URI)
    log.info(URI, "misfit", URI)
    log.info("long", text=f"{'x' * 9000} {URI}")
    log.info("key", value={URI: 1, f"password={CANARY}": 2})
    log.info("error", error=ConnectionError(f"{URI} password={CANARY}"))
    try:
        failure = RuntimeError(f"AUTH failed, password: '{CANARY}', token={CANARY}")
        fail(failure, cause=ConnectionError(URI))
    except RuntimeError as error:
        error.add_note(f"while talking to {URI}")
        log.exception("failed")
        logging.getLogger("pymongo").exception("failed: %s", URI)
        log.exception("group", exc_info=ExceptionGroup(URI, [error]))
    logging.getLogger("pymongo").warning("Authorization: Bearer %s", CANARY)
    foreign_record(f"misfit {URI}", 1)
    warnings.warn(f"deprecated: {URI}", stacklevel=1)


class SecretHolder:
    def __repr__(self) -> str:
        return f"SecretHolder(password='{CANARY}', uri={URI!r})"


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.filterwarnings("default")
def test_no_secret_is_ever_written(tmp_path: Path, fmt: LogFormat, level: LogLevel) -> None:
    with logging_to(tmp_path / "log", level, fmt) as output:
        tell_secrets()

        assert CANARY not in output.text
        assert "***@db:27017/factory" in output.text
        assert "not_rendered" not in output.text
        assert output.text.count("timestamp" if fmt == "json" else "Z [") == 18


def test_names_and_values_that_are_no_secrets_are_left_alone(output: Output) -> None:
    fields = {
        "idempotency_key": "k1",
        "path": "/api/workorder/detail/1",
        "user_agent": "bot (+http://bots.example/@about)",
        "mail": "a@b.example",
        "reason": "see http://wiki.example/page",
    }
    log.info("a", **fields)
    log.info("b", password=None, token="", secret=False)

    first, second = output.lines
    del first["user_agent"], fields["user_agent"]  # masked too much rather than too little
    assert {name: first[name] for name in fields} == fields
    assert (second["password"], second["token"], second["secret"]) == (None, "", False)


def test_console_lines_are_for_people_and_plain_when_not_on_a_terminal(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log", fmt="console") as output:
        log.warning("disk_low", left="5 GB", node="n1")
        try:
            fail(ValueError("bad"))
        except ValueError:
            log.exception("failed", a={"b": 1})

        text = output.text
    assert re.match(r"^\S+Z \[warning *\] disk_low +left='5 GB' node=n1\n", text)
    assert "\nTraceback (most recent call last):\n" in text
    assert text.endswith("\nValueError: bad\n")
    assert "\x1b" not in text


def test_unless_told_lines_are_json_where_no_terminal_is_and_a_secret_that_is_unset_says_so(
    tmp_path: Path,
) -> None:
    with logging_to(tmp_path / "log", fmt="auto") as output:
        log.info("a", settings={"API_TOKENS": "unset", "REDIS_PASSWORD": CANARY})

        line = json.loads(output.text)
    assert line["settings"] == {"API_TOKENS": "unset", "REDIS_PASSWORD": "***"}


@pytest.mark.parametrize("fmt", ["console", "auto"])
def test_console_lines_are_coloured_on_a_terminal(fmt: LogFormat) -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal:
        handle = configure_logging("info", fmt, terminal)
        assert handle.for_people
        log.info("hello")
        handle.close()
        shown = os.read(master, 4096)
    os.close(master)

    assert b"\x1b[" in shown
    assert b"hello" in shown


@pytest.mark.parametrize("stream_type", [io.StringIO, io.BytesIO])
def test_streams_without_a_descriptor_are_written_too(
    stream_type: type[io.StringIO | io.BytesIO],
) -> None:
    stream = stream_type()
    handle = configure_logging("info", "json", stream)
    log.info("工单")
    handle.close()

    assert json.loads(stream.getvalue())["event"] == "工单"


def test_without_a_standard_output_logging_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    for fmt in ("json", "console"):
        handle = configure_logging("info", fmt)
        log.info("a")
        assert handle.flush(DEADLINE_S)
        handle.close()


def read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as reader:
        return reader.read()


def lines_after_a_stall(sent: int) -> list[dict[str, Any]]:
    """Log more than fits while nobody reads; then read on, and log once more."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        handle = configure_logging("info", "json", stream)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(read_all(reading)))
    try:
        for number in range(sent):
            log.info("flood", number=number, filling="x" * 4000)
        assert handle.dropped > 0
        reader.start()
        assert handle.flush(DEADLINE_S)
        log.info("after")
    finally:
        handle.close(DEADLINE_S)
    reader.join(DEADLINE_S)
    return [json.loads(line) for line in received[0].splitlines()]


def test_a_reader_that_stalls_stops_no_log_call_and_learns_what_it_missed() -> None:
    sent = 4000
    lines = lines_after_a_stall(sent)

    numbers = [line["number"] for line in lines if line["event"] == "flood"]
    dropped = sum(line["dropped"] for line in lines if line["event"] == "log_lines_dropped")
    assert numbers == sorted(set(numbers))
    assert dropped > 0
    assert len(numbers) + dropped == sent
    assert "after" in [line["event"] for line in lines]


async def test_the_loop_goes_on_while_the_reader_stalls() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        handle = configure_logging("info", "json", stream)
    beats = 0
    for _ in range(3000):
        log.info("flood", filling="x" * 4000)
        await asyncio.sleep(0)
        beats += 1
    os.close(reading)
    handle.close()

    assert beats == 3000
    assert handle.dropped > 0


def test_closing_gives_up_on_a_reader_that_stalls() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        handle = configure_logging("info", "json", stream)
    for _ in range(100):
        log.info("flood", filling="x" * 4000)
    assert not handle.flush(0.05)
    handle.close(0.05)
    handle.close(0.05)
    os.close(reading)


def test_a_reader_that_went_away_hurts_nobody() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        handle = configure_logging("info", "json", stream)
    os.close(reading)
    log.info("to nobody")
    assert handle.flush(DEADLINE_S)
    log.info("to nobody")
    handle.close()

    assert handle.dropped == 2


def test_a_pipe_that_does_not_block_gets_every_line() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(writing, "wb") as stream:
        handle = configure_logging("info", "json", stream)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(read_all(reading)))
    for number in range(200):
        log.info("flood", number=number, filling="x" * 4000)
    assert not handle.flush(0.2)
    reader.start()
    handle.close(DEADLINE_S)
    reader.join(DEADLINE_S)

    numbers = [json.loads(line)["number"] for line in received[0].splitlines()]
    assert numbers == list(range(200))


class FailingSink:
    """Takes nothing until it is mended."""

    def __init__(self) -> None:
        self.mended = threading.Event()
        self.failed = threading.Event()
        self.written = b""

    def write(self, data: bytes) -> None:
        if not self.mended.is_set():
            self.failed.set()
            raise OSError("no space left")
        self.written += data

    def close(self) -> None:
        pass


def test_lines_lost_to_a_full_disk_are_counted_and_told_when_there_is_room_again() -> None:
    sink = FailingSink()
    writer = LineWriter(sink, lambda dropped: b"dropped %d\n" % dropped)
    writer.write(b"lost\n")
    assert sink.failed.wait(DEADLINE_S)
    assert writer.flush(DEADLINE_S)
    sink.mended.set()
    writer.write(b"kept\n")
    assert writer.close(DEADLINE_S)

    assert sink.written == b"kept\ndropped 1\n"


def test_a_line_torn_by_a_failure_is_ended_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as stream:
        sink = sink_for(stream)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            sink.write(b"torn line\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sink.write(b"whole line\n")
    sink.close()

    assert path.read_bytes() == b"torn\nwhole line\n"


def test_many_threads_write_whole_lines(output: Output) -> None:
    def shout(thread: int) -> None:
        for number in range(200):
            log.info("a", thread=thread, number=number)

    threads = [threading.Thread(target=shout, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)

    lines = output.lines
    assert len(lines) == 1600
    for thread_number in range(8):
        mine = [line["number"] for line in lines if line["thread"] == thread_number]
        assert mine == list(range(200))


def test_importing_changes_nothing() -> None:
    run_python(
        "import logging, sys, threading, structlog, config\n"
        "assert not structlog.is_configured()\n"
        "assert not logging.root.handlers\n"
        "assert threading.active_count() == 1\n"
    )


def test_lines_are_written_before_the_process_ends_even_by_an_error() -> None:
    out = run_python(
        "import structlog\n"
        "from config import configure_logging\n"
        "configure_logging('info', 'json')\n"
        "for number in range(1000): structlog.get_logger().info('a', number=number)\n"
        "raise SystemExit\n"
    )

    assert [json.loads(line)["number"] for line in out.splitlines()] == list(range(1000))
