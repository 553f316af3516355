from __future__ import annotations

import ast
import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from actors.domain.model import Trace
from config.settings.fields import url_here
from config.settings.reference import settings_reference
from config.settings.settings import load_settings
from scripts.operate.__main__ import app as plan
from scripts.settings_table import main as settings_table
from web.routes.table import ROUTES
from web.server.greeting import greeting
from web.wire.problems import STATUS
from web.wire.schemas import parse_update
from web.wire.texts import TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from web.route import Route

_CHECKOUT = Path(__file__).parents[2]
_NAMES = ("README.md", "README.zh-CN.md")
_PAGES = (
    "api",
    "architecture",
    "events",
    "guarantees",
    "integrating",
    "operating",
    "performance",
    "settings",
)
_PAIRS = [_NAMES, *((f"docs/{page}.md", f"docs/{page}.zh-CN.md") for page in _PAGES)]
_README_LINES = 180
"""Its reader has patience for as many."""
_FOR_INTEGRATORS = ("docs/integrating.md", "docs/integrating.zh-CN.md")
_FOR_READERS = ("docs/architecture.md", "docs/architecture.zh-CN.md")
_FOR_OPERATORS = ("docs/operating.md", "docs/operating.zh-CN.md")
_IN_COMMANDS = {
    "S": "http://127.0.0.1:3001",
    "A": "http://127.0.0.1:3001/api/workorder",
    "O": "000000000000000000000001",
    "J": "Content-Type: application/json",
}


@pytest.fixture(params=["", ".zh-CN"])
def language(request: pytest.FixtureRequest) -> str:
    """Return the end of a page's name, by language."""
    name: str = request.param
    return name


@pytest.fixture
def readme(language: str) -> str:
    return _read(f"README{language}.md")


@pytest.fixture
def api(language: str) -> str:
    return _read(f"docs/api{language}.md")


def _read(name: str) -> str:
    return (_CHECKOUT / name).read_text(encoding="utf-8")


def test_the_tables_of_settings_are_up_to_date() -> None:
    pages = [str(_CHECKOUT / name) for name in ("docs/settings.md", "docs/settings.zh-CN.md")]
    assert settings_table(["--check", *pages]) == 0


def test_every_setting_is_named(language: str) -> None:
    page = _read(f"docs/settings{language}.md")
    assert [each.name for each in settings_reference() if f"`{each.name}`" not in page] == []


def test_the_readme_is_short(readme: str) -> None:
    assert readme.count("\n") <= _README_LINES


def test_every_endpoint_has_its_row(api: str) -> None:
    rows = [f"| {route.method} `{route.path}` |" for route in ROUTES]
    assert [row for row in rows if row not in api] == []


def test_every_error_code_has_its_row_with_its_status(api: str) -> None:
    rows = [f"| {status} | `{code}` |" for code, status in STATUS.items()]
    assert [row for row in rows if row not in api] == []


def test_every_code_that_has_a_text_is_explained(api: str) -> None:
    codes = {name.partition(".")[0] for name in TEXTS}
    assert sorted(code for code in codes if f"`{code}`" not in api) == []


def test_every_event_of_the_logs_is_in_the_catalogue(language: str) -> None:
    page = _read(f"docs/events{language}.md")
    first_cells = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    listed = {event for cell in first_cells for event in re.findall(r"`(\w+)`", cell)}
    logged, written = _events()
    assert sorted(logged - listed) == []
    assert sorted(listed - written) == []


def test_every_parameter_of_a_query_is_named(api: str) -> None:
    named = {
        parameter.name
        for route in ROUTES
        for parameter in route.parameters
        if parameter.place == "query"
    }
    assert sorted(name for name in named if not re.search(rf"\b{name}\b", api)) == []


def test_every_curl_line_is_a_call_that_the_service_takes(api: str) -> None:
    called = {_route_of(call).name for call in _calls(api)}
    assert called == {route.name for route in ROUTES}


def test_every_change_in_a_curl_line_is_well_formed(api: str) -> None:
    bodies = [json.loads(call.body) for call in _calls(api) if call.body]
    changes: list[dict[str, Any]] = []
    for body in bodies:
        changes += body.get("updates", [body] if "type" in body else [])
    assert changes
    for change in changes:
        parse_update(change, None, 0.0, Trace())


def test_what_the_demo_says_to_try_is_what_is_tried_here(readme: str) -> None:
    url = url_here("0.0.0.0", int(load_settings({}).port))  # noqa: S104 nothing listens
    said = greeting(url, f"{1:024x}", Path("data"))
    assert said.startswith("Ready: http://127.0.0.1:3001/console ")
    assert said[said.index("curl ") :].partition("\n")[0] in readme
    assert "rm -r data" in said
    assert "rm -r" not in greeting(url, f"{1:024x}", None)
    assert "/search'" in greeting(url, "", None)


@pytest.mark.parametrize("pages", _PAIRS, ids=lambda pages: pages[0])
def test_both_languages_have_the_same_sections_and_tables(pages: tuple[str, str]) -> None:
    outlines = [_outline((_CHECKOUT / name).read_text(encoding="utf-8")) for name in pages]
    assert outlines[0] == outlines[1]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", *(page for pair in _PAIRS for page in pair)])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    text = (_CHECKOUT / page).read_text(encoding="utf-8")
    for link in re.findall(r"(?:\]\(|src=\"|srcset=\")([^)\s\"]+)", text):
        if urlsplit(link).scheme:
            continue
        file, _, anchor = link.partition("#")
        target = (_CHECKOUT / page).parent / file if file else _CHECKOUT / page
        assert target.exists(), link
        if not anchor:
            continue
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {_anchor(heading) for heading in headings}, link


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", *_FOR_READERS])
def test_every_file_that_readers_of_the_code_are_sent_to_exists(page: str) -> None:
    named = set(re.findall(r"`((?:actors|config|docs|scripts|tests|web)/[\w./-]+)`", _read(page)))
    assert len(named) > 10
    assert sorted(each for each in named if not (_CHECKOUT / each).exists()) == []


def test_a_route_a_store_and_a_rule_are_walks_through_five_files_at_most() -> None:
    walks = re.split(r"^## ", _read("CONTRIBUTING.md"), flags=re.MULTILINE)
    steps = {
        walk.partition("\n")[0]: len(re.findall(r"^\d\. `", walk, re.MULTILINE))
        for walk in walks
        if walk.startswith("Add ")
    }
    assert sorted(steps) == ["Add a route", "Add a rule", "Add a store"]
    assert 0 < min(steps.values()) <= max(steps.values()) <= 5


def test_every_picture_is_shown_somewhere() -> None:
    pages = "".join(_read(page) for pair in _PAIRS for page in pair)
    pictures = [each.name for each in (_CHECKOUT / "docs" / "pictures").iterdir()]
    assert [each for each in pictures if f"pictures/{each}" not in pages] == []


@pytest.mark.parametrize("page", _FOR_INTEGRATORS)
def test_every_code_of_the_clients_own_is_explained_to_integrators(page: str) -> None:
    text = (_CHECKOUT / page).read_text(encoding="utf-8")
    own = ("QUEUED_FALLBACK", "OUTBOX_FULL", "OUTBOX_FAILED", "SERVICE_UNAVAILABLE", "TIMEOUT")
    assert [code for code in own if f"`{code}`" not in text] == []


@pytest.mark.parametrize("page", _FOR_OPERATORS)
def test_the_files_and_commands_that_operators_are_told_of_exist(page: str) -> None:
    text = (_CHECKOUT / page).read_text(encoding="utf-8")
    made = {"config/deploy/pm2/service.env"}
    named = set(re.findall(r"(?<![\w/])((?:config/deploy|scripts)/[\w@./-]*\w)", text)) - made
    assert len(named) > 8
    assert [each for each in named if not (_CHECKOUT / each).exists()] == []
    known = {command.callback.__name__ for command in plan.registered_commands if command.callback}
    told = {each.replace("-", "_") for each in re.findall(r"scripts/plan ([a-z][a-z-]*)", text)}
    told -= {"config"}
    assert len(told) > 5
    assert told <= known


@pytest.mark.parametrize("page", [*_FOR_OPERATORS, *_FOR_INTEGRATORS])
def test_every_row_of_what_is_checked_and_of_what_differs_has_its_test(page: str) -> None:
    tables = re.findall(
        r"^\| [^\n]+ \| (?:test|测试) \|\n\|[-|]+\|\n((?:\|.*\n)+)", _read(page), re.MULTILINE
    )
    rows = [row for table in tables for row in table.splitlines()]
    named = re.findall(r"`(test_\w+)` \|$", "\n".join(rows), re.MULTILINE)
    assert len(rows) == len(named) == len(set(named)) >= 15
    sources = "".join(
        each.read_text(encoding="utf-8") for each in (_CHECKOUT / "tests").rglob("test_*.py")
    )
    assert [each for each in named if f"def {each}(" not in sources] == []


class _Call(NamedTuple):
    """A curl command, taken apart."""

    method: str
    url: str
    body: str


def _calls(text: str) -> list[_Call]:
    """Read every curl command, of code blocks and of table cells."""
    commands = re.findall(r"^curl .+$|(?<=`)curl [^`]+(?=`)", text, re.MULTILINE)
    assert commands
    return [_call(re.sub(r"\$([SAOJ])", lambda m: _IN_COMMANDS[m[1]], each)) for each in commands]


def _call(command: str) -> _Call:
    method, url, body = "GET", "", ""
    words = iter(shlex.split(command)[1:])
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-d":
                body = next(words)
            case "-H":
                assert ": " in next(words)
            case "-o":
                next(words)
            case _:
                assert not word.startswith("-")
                assert not url
                url = word
    return _Call(method, url, body)


def _route_of(call: _Call) -> Route:
    parts = urlsplit(call.url)
    assert f"{parts.scheme}://{parts.netloc}" == _IN_COMMANDS["S"]
    fitting = [
        route
        for route in ROUTES
        if call.method == route.method
        and re.fullmatch(
            re.sub(r"\{(name|folder)\}", "[a-z]+", route.path).replace("{id}", "[0-9a-f]{24}"),
            parts.path,
        )
    ]
    assert len(fitting) == 1, call
    return fitting[0]


@cache
def _events() -> tuple[set[str], set[str]]:
    """Find what is logged, and every text in the code that could be an event.

    The first are the constants in the log calls' first place; some events come another way.
    """
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("actors", "config", "web")
        for path in (_CHECKOUT / folder).rglob("*.py")
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    logged = {
        event
        for call in nodes
        if isinstance(call, ast.Call) and call.args and _logs(call.func)
        for event in _constants(ast.walk(call.args[0]))
        if re.fullmatch(r"[a-z_]+", event)
    }
    return logged, set(_constants(nodes))


def _logs(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id == "_log"
    return isinstance(function, ast.Name) and function.id in {"log", "write"}


def _constants(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _anchor(heading: str) -> str:
    """Make a heading's anchor as GitHub does."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _outline(text: str) -> list[str]:
    """Reduce a page to its headings' levels, its tables' rows and its code blocks."""
    marks = re.findall(r"^(#+) |^(\|)|^(```\w*)", text, re.MULTILINE)
    return ["".join(each) for each in marks]
