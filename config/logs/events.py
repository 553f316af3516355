"""Loggers for structlog that never raise, and whose level and output change while they live.

A logger keeps the class, the processors and the output of its first use, which makes it fast.
So these stay the same objects for good, and are changed in place.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import Processor

    from config.logs.render import Renderer

_METHODS: Final = {
    "debug": 10,
    "info": 20,
    "msg": 20,
    "warning": 30,
    "warn": 30,
    "error": 40,
    "critical": 50,
    "fatal": 50,
}
# Names that structlog's own methods have for their parameters.
_TAKEN: Final = frozenset({"self", "event", "method_name"})


def plug(render: Renderer, write: Callable[[bytes], None]) -> None:
    """Render the events of all loggers, old and new, with `render` and hand them to `write`."""
    _processors[:] = [render]
    _output.lead_to(write)
    structlog.configure(
        processors=_processors,
        wrapper_class=_Logger,
        logger_factory=_get_output,
        cache_logger_on_first_use=True,
    )


def unplug(write: Callable[[bytes], None]) -> None:
    """Drop all events from now on, unless another output has been plugged in meanwhile."""
    if _output.write == write:
        _output.lead_to(_drop)


def filter_events(level: int) -> None:
    """Let pass what is at least as severe as `level`, in all loggers, old and new."""
    for name, method in vars(structlog.make_filtering_bound_logger(level)).items():
        if not name.startswith("__"):
            setattr(_Logger, name, method)
    for name, number in _METHODS.items():
        setattr(_Logger, name, _method(name) if number >= level else _skip)
    if level <= _METHODS["error"]:
        _Logger.exception = _method("error", with_exception=True)


def _method(name: str, *, with_exception: bool = False) -> Callable[..., None]:
    def log(self: Any, event: str, /, *args: object, **fields: object) -> None:  # noqa: ANN401
        if with_exception:
            fields.setdefault("exc_info", True)
        try:
            if not _TAKEN.isdisjoint(fields):
                fields = _fitting(fields, ())
            _write(self, name, event % args if args else event, fields)
        except structlog.DropEvent:
            pass
        except Exception:  # noqa: BLE001 a log call must never hurt its caller
            with contextlib.suppress(Exception):
                _write(self, name, str(event), _fitting(fields, args))

    log.__name__ = name
    return log


def _write(logger: Any, name: str, event: str, fields: dict[str, object]) -> None:  # noqa: ANN401
    """Make a line and hand it on, as structlog would with one processor, at a third of the cost."""
    line: Any = _processors[0](logger, name, {**logger._context, **fields, "event": event})  # noqa: SLF001
    _output.write(line)


def _fitting(fields: dict[str, object], args: tuple[object, ...]) -> dict[str, object]:
    renamed = {f"field_{name}" if name in _TAKEN else name: fields[name] for name in fields}
    return {**renamed, "arguments": args} if args else renamed


def _skip(self: object, event: str, /, *args: object, **fields: object) -> None:
    """Do nothing: the level is filtered out."""


class _Output:
    """Takes the finished lines of all loggers, by a method called as the level."""

    def lead_to(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        for name in _METHODS:
            setattr(self, name, write)


def _drop(line: bytes) -> None:
    """Take a line that nobody wants."""


def _get_output(*_: object) -> _Output:
    return _output


_processors: list[Processor] = []
_output = _Output()
_output.lead_to(_drop)
_Logger: Any = type("EventLogger", (structlog.make_filtering_bound_logger(0),), {})
