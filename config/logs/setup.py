"""Set up structlog: events with fields, a line each, written by a thread of its own."""

from __future__ import annotations

import atexit
import logging
import sys
from typing import IO, TYPE_CHECKING, Final

from config.logs.events import filter_events, plug, unplug
from config.logs.render import ConsoleRenderer, JsonRenderer
from config.logs.writer import LineWriter, sink_for
from config.redaction import mask_text

if TYPE_CHECKING:
    from config.logs.file import RotatingFile
    from config.logs.render import Renderer
    from config.settings.variables import LogFormat, LogLevel

_CLOSE_S: Final = 2.0


class LogHandle:
    """The running logs; close it as the last thing of all."""

    def __init__(self, render: Renderer, writer: LineWriter, level: LogLevel) -> None:
        self._writer = writer
        self._foreign = _ForeignRecords(render, writer)
        self._root_level = logging.root.level
        self._closed = False
        self.level: LogLevel = level
        self.for_people = isinstance(render, ConsoleRenderer)
        """Whether lines are for people, not for collectors."""
        plug(render, writer.write)
        logging.root.addHandler(self._foreign)
        logging.captureWarnings(capture=True)
        self.set_level(level)
        atexit.register(self.close)

    @property
    def dropped(self) -> int:
        """Return how many lines found no room or no reader."""
        return self._writer.dropped

    def set_level(self, level: LogLevel) -> None:
        """Log `level` and above from now on; of libraries' records, warnings and above.

        At `debug` the libraries' records are all let through.
        """
        self.level = level
        number = logging.getLevelNamesMapping()[level.upper()]
        filter_events(number)
        logging.root.setLevel(number if level == "debug" else max(number, logging.WARNING))

    def flush(self, timeout_s: float = _CLOSE_S) -> bool:
        """Wait until the lines so far are written; return whether they were in time."""
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Write what is queued and stop; later events are dropped.

        A reader that takes nothing for `timeout_s` loses what it hasn't taken.
        """
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        unplug(self._writer.write)
        logging.captureWarnings(capture=False)
        logging.root.removeHandler(self._foreign)
        logging.root.setLevel(self._root_level)
        self._writer.close(timeout_s)


def configure_logging(
    level: LogLevel,
    fmt: LogFormat,
    stream: IO[str] | IO[bytes] | None = None,
    file: RotatingFile | None = None,
) -> LogHandle:
    """Write structlog's events and the standard library's records to `stream` (or stdout).

    With `file`, to that in place of it. `auto` is for people on a terminal, else JSON. One handle
    at a time: close the one before first.
    """
    target: IO[str] | IO[bytes] | None = sys.stdout if stream is None else stream
    on_terminal = file is None and target is not None and target.isatty()
    render: Renderer = JsonRenderer()
    if fmt == "console" or (fmt == "auto" and on_terminal):
        render = ConsoleRenderer(colors=on_terminal)

    def report(dropped: int) -> bytes:
        return render(None, "warning", {"event": "log_lines_dropped", "dropped": dropped})

    return LogHandle(render, LineWriter(file or sink_for(target), report), level)


class _ForeignRecords(logging.Handler):
    """Writes what aiohttp, pymongo, asyncio and others log the standard way."""

    def __init__(self, render: Renderer, writer: LineWriter) -> None:
        super().__init__()
        self._render = render
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 arguments that don't fit the message, or can't be shown
            message = str(record.msg)
        fields: dict[str, object] = {"event": mask_text(message), "logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        self._writer.write(self._render(None, record.levelname.lower(), fields))
