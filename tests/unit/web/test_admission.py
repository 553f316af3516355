"""Who is let in: tokens and their scopes, pages of other sites, and what every reply carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.web.fake_node import ORDER
from web.admission import Keyring
from web.app import Options
from web.app_context import Token
from web.routes.table import ROUTES

if TYPE_CHECKING:
    from tests.unit.web.conftest import Client, LogRecorder
    from tests.unit.web.fake_node import FakeNode
    from web.route import Route

CALLER = "caller-token-0123456789"
SECOND = "second-token-0123456789"
OPERATOR = "operator-token-012345678"
PAGE = "https://factory.example"
STATS = "/api/workorder/queue/stats"
PAUSE = "/api/workorder/queue/pause"

_OPEN_TO_ALL = frozenset(
    {"health", "live", "ready", "openapi", "docs", "console"}
    | {"consoleScript", "consoleStyle", "consoleState"}
)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _code(client: Client, method: str, path: str, **options: Any) -> tuple[int, str]:  # noqa: ANN401
    async with client.request(method, path, **options) as reply:
        told = method != "head" and reply.content_type == "application/json"
        body = await reply.json() if told else {}
        return reply.status, body.get("code", "")


def _path(route: Route) -> str:
    name = "base" if route.path.endswith(".css") else "main"
    named = route.path.replace("{folder}/{name}", "kit/api").replace("{name}", name)
    return named.replace("{id}", ORDER)


# -- without tokens --------------------------------------------------------------------------


async def test_where_there_are_no_tokens_nobody_is_asked(client: Client) -> None:
    assert (await _code(client, "get", STATS))[0] == 200
    assert (await _code(client, "post", PAUSE))[0] == 200


# -- with tokens -----------------------------------------------------------------------------


class TestWithTokens:
    @pytest.fixture
    def options(self) -> Options:
        tokens = (
            Token("main", CALLER),
            Token("main-2", SECOND),
            Token("ops", OPERATOR, operator=True),
        )
        return Options(tokens=tokens, cors_origins=(PAGE,))

    async def test_every_route_but_probes_and_pages_needs_one(self, client: Client) -> None:
        for route in ROUTES:
            method, open_to_all = route.method.lower(), route.name in _OPEN_TO_ALL
            expected = (200, "") if open_to_all else (401, "UNAUTHORIZED")
            for path in (_path(route), f"{_path(route)}/"):
                status, code = await _code(client, method, path)
                assert (status, "" if open_to_all else code) == expected, path

    async def test_what_operators_do_needs_an_operators(self, client: Client) -> None:
        for route in ROUTES:
            if route.method == "GET" or route.needs == "actors":
                continue
            method = route.method.lower()
            refused = await _code(client, method, _path(route), headers=_bearer(CALLER))
            assert refused == (403, "FORBIDDEN"), route.name
            let_in = await _code(client, method, _path(route), headers=_bearer(OPERATOR))
            assert let_in[0] not in {401, 403}, route.name

    @pytest.mark.parametrize("token", [CALLER, SECOND, OPERATOR])
    async def test_several_are_valid_at_once_for_reads_and_updates(
        self, client: Client, token: str
    ) -> None:
        assert (await _code(client, "get", STATS, headers=_bearer(token)))[0] == 200
        update = {"workOrderId": ORDER, "type": "input"}
        path = "/api/workorder/update-quantity"
        assert (await _code(client, "post", path, json=update, headers=_bearer(token)))[0] == 200

    @pytest.mark.parametrize(
        "header",
        ["", "Bearer", "Bearer ", CALLER, f"Basic {CALLER}", f"Bearer {CALLER}x", "Bearer é"],
    )
    async def test_another_header_is_refused(self, client: Client, header: str) -> None:
        async with client.get(STATS, headers={"Authorization": header}) as reply:
            assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")

    async def test_a_stranger_does_not_learn_which_paths_there_are(self, client: Client) -> None:
        assert (await _code(client, "get", "/nothing"))[0] == 401
        assert (await _code(client, "get", "/nothing", headers=_bearer(CALLER)))[0] == 404
        assert (await _code(client, "post", STATS))[0] == 401

    async def test_nothing_is_done_for_a_stranger(self, client: Client, node: FakeNode) -> None:
        await _code(client, "post", PAUSE)
        await _code(client, "post", PAUSE, headers=_bearer(CALLER))
        assert node.region.calls == []

    async def test_the_log_names_the_token_and_never_shows_it(
        self, client: Client, logged: LogRecorder
    ) -> None:
        await _code(client, "get", STATS, headers=_bearer(SECOND))
        (line,) = logged.named("http_request")
        assert line["caller"] == "main-2"
        assert SECOND not in str(logged.events)

    async def test_a_listed_page_may_ask_before_it_shows_a_token(self, client: Client) -> None:
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        async with client.request("OPTIONS", STATS, headers=asked) as reply:
            assert reply.status == 204
            assert reply.headers["Access-Control-Allow-Origin"] == PAGE
            assert "Authorization" in reply.headers["Access-Control-Allow-Headers"]
        async with client.get(STATS, headers={"Origin": PAGE, **_bearer(CALLER)}) as reply:
            assert reply.headers["Access-Control-Allow-Origin"] == PAGE
            assert reply.headers["Vary"] == "Origin"
        other = {**asked, "Origin": "https://other.example"}
        async with client.request("OPTIONS", STATS, headers=other) as reply:
            assert reply.status == 401
            assert "Access-Control-Allow-Origin" not in reply.headers


def test_a_keyring_compares_with_every_token_whichever_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []

    def compare(given: bytes, known: bytes) -> bool:
        compared.append(len(known))
        return given == known

    monkeypatch.setattr("web.admission.compare_digest", compare)
    keyring = Keyring([Token("a", CALLER), Token("b", "x" * 99), Token("c", OPERATOR)])
    for token in (CALLER, OPERATOR, "none of them"):
        compared.clear()
        keyring.shown(f"Bearer {token}")
        assert compared == [32, 32, 32]


# -- pages of other sites --------------------------------------------------------------------


_OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.proxy"}


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
    ],
)
async def test_a_page_of_another_site_changes_nothing(
    client: Client, node: FakeNode, headers: dict[str, str], *, let_in: bool
) -> None:
    status, code = await _code(client, "post", PAUSE, headers=headers)
    assert (status, code) == ((200, "OK") if let_in else (403, "CROSS_SITE"))
    assert node.region.calls == (["pause"] if let_in else [])
    assert (await _code(client, "get", STATS, headers=headers))[0] == 200


# -- the console's page ----------------------------------------------------------------------


def _own_pages(client: Client) -> tuple[dict[str, str], ...]:
    """Return what browsers say of a page of ours: newer ones, and older ones or without TLS."""
    return _OWN_PAGE, {"Origin": f"http://127.0.0.1:{client.port}"}


async def test_the_consoles_page_changes_nothing_unless_it_may(
    client: Client, node: FakeNode
) -> None:
    routes = [each for each in ROUTES if each.access == "operator"]
    for method, path in [(each.method.lower(), _path(each)) for each in routes]:
        for page in _own_pages(client):
            refused = await _code(client, method, path, headers=page)
            assert refused == (403, "CONSOLE_READ_ONLY"), path
    assert node.region.calls == []
    for method, path in [(each.method.lower(), _path(each)) for each in routes]:
        assert (await _code(client, method, path))[1] != "CONSOLE_READ_ONLY", f"no browser: {path}"


async def test_the_console_reads_and_its_site_may_send_updates_all_the_same(
    client: Client,
) -> None:
    update = {"workOrderId": ORDER, "type": "input"}
    for page in _own_pages(client):
        assert (await _code(client, "get", STATS, headers=page))[0] == 200
        sent = await _code(
            client, "post", "/api/workorder/update-quantity", json=update, headers=page
        )
        assert sent[0] == 200


class TestWithAConsoleThatMayWrite:
    @pytest.fixture
    def options(self) -> Options:
        return Options(console_write=True, tokens=(Token("ops", OPERATOR, operator=True),))

    async def test_it_still_needs_an_operators_token(self, client: Client, node: FakeNode) -> None:
        for page in _own_pages(client):
            assert (await _code(client, "post", PAUSE, headers=page))[0] == 401
            shown = {**page, **_bearer(OPERATOR)}
            assert (await _code(client, "post", PAUSE, headers=shown))[0] == 200
        assert node.region.calls == ["pause", "pause"]


class TestWithListedPages:
    @pytest.fixture
    def options(self) -> Options:
        return Options(cors_origins=(PAGE,))

    async def test_a_listed_page_may_change_things(self, client: Client) -> None:
        headers = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
        assert (await _code(client, "post", PAUSE, headers=headers))[0] == 200


async def test_without_a_list_no_page_may_read_or_ask(client: Client) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    async with client.request("OPTIONS", STATS, headers=asked) as reply:
        assert reply.status == 405
        assert "Access-Control-Allow-Origin" not in reply.headers
    async with client.get(STATS, headers={"Origin": PAGE}) as reply:
        assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("path", ["/", "/health", STATS, "/nothing", "/api/workorder/detail/x"])
async def test_every_reply_tells_browsers_to_be_careful(client: Client, path: str) -> None:
    async with client.get(path) as reply:
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["Cache-Control"] == "no-store"
