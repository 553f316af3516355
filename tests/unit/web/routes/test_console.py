"""How the console is served: its page, its files, what it is told, and what browsers may do."""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import web
from tests.unit.web.test_admission import CALLER, OPERATOR
from web.app import Options
from web.app_context import Token
from web.routes import console_bundle
from web.routes.console import CONTENT_SECURITY_POLICY

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode
    from tests.unit.web.fake_owner import FakeOwner

_FOLDER = Path(web.__file__).parent / "console"
_MEDIA = {".js": "text/javascript", ".css": "text/css"}
_FILES = sorted(
    each.relative_to(_FOLDER).as_posix() for each in _FOLDER.rglob("*") if each.suffix in _MEDIA
)
_VENDORED = "vendor/htm-preact.js"
_VENDORED_SHA256 = "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"
_OURS = [name for name in _FILES if name != _VENDORED]


@pytest.mark.parametrize(("path", "folder"), [("/console", "console/"), ("/console/", "")])
async def test_the_page_is_a_script_and_a_style_sheet_to_be_kept_for_good(
    client: Client, path: str, folder: str
) -> None:
    async with client.get(path) as reply:
        assert (reply.status, reply.content_type) == (200, "text/html")
        assert reply.headers["Cache-Control"] == "no-store"
        text = await reply.text()
    named = [each for each in re.findall(r'(?:src|href)="([^"]+)"', text) if ":" not in each]
    assert [each.partition("?")[0] for each in named] == [f"{folder}app.css", f"{folder}app.js"]
    for each in named:
        file = each.removeprefix(folder)
        async with client.get(f"/console/{file}", headers={"Accept-Encoding": "gzip"}) as reply:
            assert (reply.status, reply.content_type) == (200, _MEDIA[file[3 : file.index("?")]])
            assert "immutable" in reply.headers["Cache-Control"]
            assert reply.headers["Content-Encoding"] == "gzip"
        # Another release's address is not kept: the page may be newer than who answers.
        async with client.get(f"/console/{file[:-1]}x") as reply:
            assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
        async with client.head(f"/console/{file}") as reply:
            assert (reply.status, await reply.read()) == (200, b"")


async def test_the_page_is_not_blank_before_its_script_runs_nor_without_it(client: Client) -> None:
    async with client.get("/console") as reply:
        text = await reply.text()
    assert "does not answer" in text
    assert re.search(r'<a class="button" href="">[^<]*Retry</a>', text)


def test_all_modules_and_style_sheets_are_in_what_is_served() -> None:
    script = console_bundle.script().body.decode()
    style = console_bundle.style().body.decode()
    for name in _FILES:
        text = (_FOLDER / name).read_text(encoding="utf-8")
        if name.endswith(".css"):
            assert text in style
            continue
        variable = f"const from_{re.sub(r'[^a-z]', '_', name.removesuffix('.js'))} = "
        assert script.count(variable) == 1, name
        for each in _imported(name):
            other = f"const from_{re.sub(r'[^a-z]', '_', each.removesuffix('.js'))} = "
            assert script.index(other) < script.index(variable), (name, each)
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)


def test_what_can_not_be_bundled_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("export default 1;\n", encoding="utf-8")
    monkeypatch.setattr(console_bundle, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"main\.js imports or exports"):
        console_bundle.script.__wrapped__()


@pytest.mark.parametrize(
    "path",
    [
        "none.js",
        "none.css",
        "index.html",
        "kit",
        "main.js",
        "kit/api.js",
        "vendor/htm-preact.LICENSE.txt",
        "kit/..%2Fmain.js",
        "..%2Fconsole/main.js",
        "..%2Fclients/node.js",
        "..%2F__main__.py",
        "..%2Fclients%2Fnode%2Fcalls.js",
        "%2Fetc%2Fpasswd",
        ".js",
    ],
)
async def test_what_is_none_of_its_files_is_not_found(client: Client, path: str) -> None:
    async with client.get(f"/console/{path}") as reply:
        assert (reply.status, (await reply.json())["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/app.js", "/console/app.css"])
async def test_its_policy_lets_nothing_from_elsewhere_in(client: Client, path: str) -> None:
    async with client.get(path) as reply:
        assert reply.headers.getall("Content-Security-Policy") == [CONTENT_SECURITY_POLICY]
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_its_files_need_nothing_from_elsewhere_and_read_no_text_as_html() -> None:
    page = (_FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", page), "its policy forbids these"
    for name in _OURS:
        text = (_FOLDER / name).read_text(encoding="utf-8")
        for address in _imported(name):
            assert address in _FILES, (name, address)
        assert not re.search(r"(?i)innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
        elsewhere = set(re.findall(r"https?://[^'\s]+", text))
        assert not elsewhere, (name, elsewhere)
        assert "@import" not in text


def test_every_module_is_used_by_another() -> None:
    named = {address for name in _OURS for address in _imported(name)}
    assert {name for name in _FILES if name.endswith(".js")} == named | {"main.js"}


def _imported(name: str) -> set[str]:
    """Return the files that a module imports, as addresses within the console."""
    text = (_FOLDER / name).read_text(encoding="utf-8")
    folder = posixpath.dirname(name)
    return {
        posixpath.normpath(posixpath.join(folder, address))
        for address in re.findall(r"(?:from|import) '([^']+)'", text)
    }


def test_what_others_wrote_is_unchanged_and_has_its_licences_beside_it() -> None:
    assert hashlib.sha256((_FOLDER / _VENDORED).read_bytes()).hexdigest() == _VENDORED_SHA256
    licences = (_FOLDER / "vendor/htm-preact.LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache License" in licences
    assert "The MIT License" in licences


async def test_it_is_told_that_it_may_only_look_and_needs_no_token(
    client: Client, node: FakeNode
) -> None:
    async with client.get("/api/console") as reply:
        told = (await reply.json())["data"]
    assert told == {
        "write": False,
        "tokens": False,
        "access": "operator",
        "service": Options().service,
        "version": Options().version,
        "node": node.node_id,
        "environment": "",
    }


class TestWithTokens:
    @pytest.fixture
    def options(self) -> Options:
        tokens = (Token("main", CALLER), Token("ops", OPERATOR, operator=True))
        return Options(tokens=tokens, console_write=True)

    @pytest.mark.parametrize(
        ("token", "access"),
        [("", "none"), ("wrong", "none"), (CALLER, "caller"), (OPERATOR, "operator")],
    )
    async def test_it_is_told_what_its_token_is_good_for(
        self, client: Client, token: str, access: str
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with client.get("/api/console", headers=headers) as reply:
            assert reply.status == 200
            told = (await reply.json())["data"]
        assert (told["write"], told["tokens"], told["access"]) == (True, True, access)

    async def test_the_page_and_its_files_need_none(self, client: Client) -> None:
        for path in ("/console", "/console/", "/console/app.js", "/docs", "/openapi.json"):
            async with client.get(path) as reply:
                assert reply.status == 200


class TestOnAStandby:
    @pytest.fixture
    def options(self) -> Options:
        return Options(console_write=True)

    async def test_the_node_that_the_browser_asks_decides_and_passes_on_a_call_of_its_own(
        self, client: Client, standby: FakeNode, owner: FakeOwner
    ) -> None:
        assert standby.owner is not None
        page = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://127.0.0.1:{client.port}"}
        async with client.post("/api/workorder/queue/pause", headers=page) as reply:
            assert reply.status == 200
        (seen,) = owner.seen
        assert not {"Origin", "Sec-Fetch-Site"} & set(seen.headers), "the owner would refuse it"


async def test_a_standby_whose_console_only_shows_passes_nothing_on(
    client: Client, standby: FakeNode, owner: FakeOwner
) -> None:
    assert standby.owner is not None
    page = {"Sec-Fetch-Site": "same-origin"}
    async with client.post("/api/workorder/queue/pause", headers=page) as reply:
        assert (await reply.json())["code"] == "CONSOLE_READ_ONLY"
    assert owner.seen == []
