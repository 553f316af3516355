"""The console's modules as one script and its style sheets as one, so that it loads in one go.

Each module becomes a function that gives what the module exports; they run in the order in which
they need each other. That is all that the console's modules need of a bundler, which is why none
is used: they import names from each other at their top, and export what they declare.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parents[1] / "console"
_FIRST: Final = "main.js"
_STYLES: Final = ("base.css", "parts.css", "figures.css")
_IMPORT: Final = re.compile(r"^import (\* as \w+|\{[^}]*\}) from '([^']+)';\n", re.MULTILINE)
_EXPORT: Final = re.compile(
    r"^export (?=(?:async function\*?|function\*?|class|const) (\w+))", re.MULTILINE
)
_EXPORTED: Final = re.compile(r"export\{([^}]*)\};?\s*$")
"""How a vendored module ends: its own names, and those under which they are exported."""
_LEFT: Final = re.compile(r"^(?:import|export)\b", re.MULTILINE)


class Bundle(NamedTuple):
    """A file to serve, and what its content hashes to."""

    body: bytes
    digest: str


@cache
def script() -> Bundle:
    """Return all modules as one."""
    parts = [_as_function(name) for name in dict.fromkeys(_in_order(_FIRST))]
    return _bundle("\n".join(parts))


@cache
def style() -> Bundle:
    """Return all style sheets as one."""
    return _bundle("\n".join((FOLDER / name).read_text(encoding="utf-8") for name in _STYLES))


def _bundle(text: str) -> Bundle:
    body = text.encode()
    return Bundle(body, sha256(body).hexdigest()[:16])


def _in_order(name: str) -> Iterator[str]:
    """Give the modules that `name` needs, each behind those that it needs itself, and `name`."""
    for found in _IMPORT.finditer(_read(name)):
        yield from _in_order(_address(name, found[2]))
    yield name


def _as_function(name: str) -> str:
    text = _read(name)
    exported = _EXPORT.findall(text)
    pairs = [f"{each}: {each}" for each in exported]
    text = _EXPORT.sub("", text)
    if at_end := _EXPORTED.search(text):
        for each in at_end[1].split(","):
            own, _, public = each.partition(" as ")
            pairs.append(f"{public or own}: {own}")
        text = text[: at_end.start()]
    text = _IMPORT.sub(lambda found: _taken(name, found), text)
    if _LEFT.search(text):
        raise ValueError(f"{name} imports or exports in a way that can't be bundled")
    return f"const {_variable(name)} = (() => {{\n{text}\nreturn {{ {', '.join(pairs)} }};\n}})();"


def _taken(name: str, found: re.Match[str]) -> str:
    names = found[1].removeprefix("* as ").replace(" as ", ": ")
    return f"const {names} = {_variable(_address(name, found[2]))};\n"


def _address(name: str, relative: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), relative))


def _variable(name: str) -> str:
    return "from_" + re.sub(r"\W", "_", name.removesuffix(".js"))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
