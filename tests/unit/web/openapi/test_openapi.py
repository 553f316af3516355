"""The OpenAPI document against the routes, the codes, the models, and its own examples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest

from actors.node.status import Dependency, Role
from tests.unit.web.fake_node import ORDER
from web.app_context import Language, Options, Token
from web.openapi.chinese import CHINESE
from web.openapi.document import failures_of, in_chinese, write_document
from web.openapi.failures import NOT_OF_A_ROUTE
from web.openapi.fields import FIELDS
from web.routes.table import ROUTES
from web.wire.problems import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.web.conftest import Client
    from tests.unit.web.fake_node import FakeNode

_DOCUMENT = write_document(ROUTES, Options())
_OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in _DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
_REPLIES = [*_OPERATIONS, ("elsewhere", {"responses": _DOCUMENT["components"]["responses"]})]
_HERE = "urn:document"
_COMPONENTS = jsonschema_rs.Registry([(_HERE, {"components": _DOCUMENT["components"]})])


def _contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the contents of an operation's body and replies, with a name for each."""
    bodies = {"body": operation.get("requestBody", {}), **operation["responses"]}
    for name, body in bodies.items():
        for content in body.get("content", {}).values():
            yield name, content


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    named = orjson.dumps(schema).replace(b'"#/components', f'"{_HERE}#/components'.encode())
    return jsonschema_rs.Draft202012Validator(
        orjson.loads(named), validate_formats=True, registry=_COMPONENTS
    )


def test_every_route_is_in_the_document_and_the_reverse() -> None:
    routes = {route.name: f"{route.method} {route.path}" for route in ROUTES}
    assert {each["operationId"]: name for name, each in _OPERATIONS} == routes


async def test_every_route_of_the_application_is_in_the_document(client: Client) -> None:
    async with client.get("/openapi.json") as reply:
        document = await reply.json()
    served = {
        f"{route.method} {route.resource.canonical}"
        for route in client.routes
        if route.resource is not None and route.method != "HEAD"
    }
    documented = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    # Each is taken with a closing slash as well, as the service before this one did.
    assert {re.sub("(?<=.)/$", "", each.replace(" /", " ./")) for each in served} == {
        re.sub("(?<=.)/$", "", each.replace(" /", " ./")) for each in documented
    }


def test_every_code_is_in_the_document_with_its_status() -> None:
    listed: dict[str, set[int]] = {}
    for _, operation in _OPERATIONS:
        for status, reply in operation["responses"].items():
            schema = reply["content"].get("application/json", {}).get("schema", {})
            if schema.get("properties", {}).get("success", {}).get("const") is False:
                for code in schema["properties"]["code"]["enum"]:
                    listed.setdefault(code, set()).add(int(status))
    for code in _DOCUMENT["components"]["schemas"]["FailedItem"]["properties"]["code"]["enum"]:
        listed.setdefault(code, {STATUS[code]})
    for code in NOT_OF_A_ROUTE:
        assert code in _DOCUMENT["components"]["responses"]
        listed[code] = {STATUS[code]}
    assert listed == {code: {status} for code, status in STATUS.items()}


def test_an_operation_lists_no_code_twice_and_none_that_is_unknown() -> None:
    for route in ROUTES:
        codes = failures_of(route)
        assert len(set(codes)) == len(codes)
        assert set(codes) <= set(STATUS)


@pytest.mark.parametrize("name", dict(_REPLIES))
def test_every_example_fits_its_schema(name: str) -> None:
    for what, content in _contents(dict(_REPLIES)[name]):
        validator = _validator(content["schema"])
        examples = content.get("examples") or {"the": {"value": content["example"]}}
        assert examples, what
        for example in examples.values():
            validator.validate(example["value"])


def test_every_parameter_fits_its_path_and_its_example_its_schema() -> None:
    for name, operation in _OPERATIONS:
        in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", name))
        for each in operation["parameters"]:
            if "example" in each:
                _validator(each["schema"]).validate(each["example"])


def test_every_schema_is_named_by_somebody_and_every_reference_leads_somewhere() -> None:
    named = set(re.findall(r"#/components/schemas/(\w+)", str(_DOCUMENT)))
    assert named == set(_DOCUMENT["components"]["schemas"])


def test_the_document_states_the_limit_of_a_batch_that_is_set() -> None:
    schemas = write_document(ROUTES, Options(max_batch=7))["components"]["schemas"]
    assert schemas["BatchBody"]["properties"]["updates"]["maxItems"] == 7


def test_the_document_says_who_needs_a_token() -> None:
    for tokens, needed in (((), [{}, {"token": []}]), ((Token("a", "s"),), [{"token": []}])):
        paths = write_document(ROUTES, Options(tokens=tokens))["paths"]
        assert paths["/api/workorder/queue/pause"]["post"]["security"] == needed
        assert "security" not in paths["/health"]["get"], "probes are open to all"
        assert {"401", "403"} <= set(paths["/api/workorder/queue/pause"]["post"]["responses"])
        assert "403" not in paths["/api/node"]["get"]["responses"]


@pytest.mark.parametrize("path", ["/health", "/readyz"])
async def test_a_node_that_does_not_serve_says_so_as_the_document_does(
    client: Client, node: FakeNode, path: str
) -> None:
    down = Dependency("mongodb", ok=False, detail="no answer", since_s=3)
    node.become(role=Role.STANDBY, epoch=0, serving=False, reason="no answer", store=down)
    described = _DOCUMENT["paths"][path]["get"]["responses"]["503"]
    async with client.get(path) as reply:
        assert reply.status == 503
        body = await reply.json()
    _validator(described["content"]["application/json"]["schema"]).validate(body)


async def test_the_document_is_valid_openapi_where_it_is_served(client: Client) -> None:
    async with client.get("/openapi.json") as reply:
        assert (reply.status, reply.content_type) == (200, "application/json")
        document = await reply.json()
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "."}], "an absolute one is wrong behind a proxy"
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


# -- the page ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"), [("/docs", "openapi.json"), ("/docs/", "../openapi.json")]
)
async def test_the_page_names_all_and_loads_nothing(
    client: Client, path: str, expected: str
) -> None:
    async with client.get(path) as reply:
        assert (reply.status, reply.content_type) == (200, "text/html")
        policy = reply.headers["Content-Security-Policy"]
        text = await reply.text()
    assert policy.startswith("default-src 'none'")
    for route in ROUTES:
        assert f'<details id="{route.name}">' in text
        assert f"<code>{route.path}</code>" in text
    routes_codes = set(STATUS) - set(NOT_OF_A_ROUTE)
    assert [code for code in routes_codes if code not in text] == []
    anchors = set(re.findall(r' id="(\w+)"', text))
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', text)
    assert {each for each in addresses if not each.startswith("#")} == {
        f"{expected}?lang=zh",
        "?lang=en",
        "data:,",
    }
    assert {each[1:] for each in addresses if each.startswith("#")} <= anchors
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", text)


async def test_what_the_document_says_of_ids_is_what_the_service_takes(client: Client) -> None:
    pattern = re.compile("^[0-9a-fA-F]{24}$")
    for order_id in (ORDER, ORDER.upper(), ORDER[1:], f"{ORDER}0", f"g{ORDER[1:]}"):
        async with client.get(f"/api/workorder/detail/{order_id}") as reply:
            assert (reply.status == 400) is not bool(pattern.fullmatch(order_id))


# -- what people read ------------------------------------------------------------------------


def _meanings(node: Any) -> Iterator[str]:  # noqa: ANN401 -- a document, or a part of one
    if isinstance(node, list):
        for each in node:
            yield from _meanings(each)
    if isinstance(node, dict):
        for name, each in node.items():
            if name in ("description", "summary") and isinstance(each, str):
                yield each
            elif name not in ("example", "examples", "default"):
                yield from _meanings(each)


def test_every_operation_parameter_and_field_says_what_it_means() -> None:
    for name, operation in _OPERATIONS:
        assert operation["summary"], name
        assert operation["description"], name
        assert all(each["description"] for each in operation["parameters"]), name
    lacking = [
        f"{name}.{field}"
        for name, schema in _DOCUMENT["components"]["schemas"].items()
        for field, said in schema.get("properties", {}).items()
        if not said.get("description")
    ]
    assert lacking == []
    for name, operation in _REPLIES:
        for _, content in _contents(operation):
            schema = content["schema"]
            assert all(each["description"] for each in schema.get("properties", {}).values()), name


def test_all_that_it_says_is_said_in_chinese_and_nothing_else_is_translated() -> None:
    english = dict.fromkeys(_meanings(_DOCUMENT))
    assert len(english) > 400
    assert [each for each in english if in_chinese(each) is None] == []
    known = {" ".join(each.split()) for each in english}
    known |= {each.rpartition(": ")[0] for each in known}
    assert set(CHINESE) - known == set()
    named = {
        name
        for model, schema in _DOCUMENT["components"]["schemas"].items()
        for field in schema.get("properties", {})
        for name in (field, f"{model}.{field}")
    }
    assert set(FIELDS) - named == set()


def test_in_chinese_it_is_the_same_document() -> None:
    document = write_document(ROUTES, Options(), Language.CHINESE)
    assert list(document["paths"]) == list(_DOCUMENT["paths"])
    assert (
        document["components"]["schemas"]["Job"]["properties"]["attempts"]["description"]
        != (_DOCUMENT["components"]["schemas"]["Job"]["properties"]["attempts"]["description"])
    )
    assert all(re.search("[\u4e00-\u9fff]", each) for each in _meanings(document))


def test_the_call_that_the_service_is_for_comes_first() -> None:
    assert _OPERATIONS[0][0] == "POST /api/workorder/update-quantity"


async def test_both_are_had_in_both_languages_and_compressed(client: Client) -> None:
    for path, language, word in (
        ("/docs?lang=zh", "en", "恰好生效一次"),
        ("/docs", "zh-CN", "恰好生效一次"),
        ("/docs", "en", "exactly once"),
        ("/docs?lang=en", "zh-CN", "exactly once"),
        ("/openapi.json", "zh-CN", "exactly once"),
        ("/openapi.json?lang=zh", "en", "恰好生效一次"),
    ):
        headers = {"Accept-Language": language, "Accept-Encoding": "gzip"}
        async with client.get(path, headers=headers) as reply:
            assert reply.headers["Content-Encoding"] == "gzip"
            assert word in await reply.text()
