"""Write the OpenAPI 3.1 document: the table of routes, with what the table here says of each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import TypeAdapter

from web.app_context import Language
from web.openapi.chinese import CHINESE
from web.openapi.examples import example_of
from web.openapi.failures import (
    ALWAYS,
    BY_ACCESS,
    BY_NEED,
    NOT_OF_A_ROUTE,
    WRITES,
    by_status,
    data_models,
    failure_example,
)
from web.openapi.fields import ENVELOPE, FIELDS
from web.openapi.parameters import LANGUAGE
from web.route import JSON
from web.wire.batches import OPERATIONS, UPDATES
from web.wire.texts import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from web.app_context import Options
    from web.route import Body, Route

_REFS: Final = "#/components/schemas/{model}"
_NO_TOKEN: Final = 401
_WAITS: Final = frozenset({429, 503})
_MEANINGS: Final[Mapping[int, str]] = {
    400: "The request has to be mended",
    401: "A token is needed",
    403: "The token does not suffice, or a page sent it that may not",
    404: "There is no such thing",
    405: "The path exists, with another method",
    408: "The body did not arrive in time",
    409: "The state of it does not allow this",
    421: "The host is no name of the service",
    413: "The body is too large",
    415: "The body is compressed in a way that is not understood",
    422: "The key was used with another content",
    429: "Too much waits: nothing was applied, send it again later",
    500: "A fault of the service",
    503: "Not served now: nothing was applied, send it again later",
    504: "The deadline passed: whether it was applied is not known",
}
_FIRST_TAG: Final = "Updates"
"""What the service is for; its parts for operators come behind."""
_TEXTS: Final = frozenset({"description", "summary"})
_EXAMPLES: Final = frozenset({"example", "examples", "default"})
_SCHEME: Final = "token"
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "Needed where the service has `API_TOKENS`",
}
_ABOUT: Final = (
    "Applies work-order quantity changes exactly once. Replies are enveloped in"
    " `success`, `message`, `data` and `code`; codes never change with the language."
    " HEAD works wherever GET does."
)


_IN_CHINESE: Final = {
    **{en: zh for zh, en in (*FIELDS.values(), *ENVELOPE.values())},
    **CHINESE,
}


def write_document(
    routes: Sequence[Route], options: Options, language: Language = Language.ENGLISH
) -> dict[str, Any]:
    """Write the document of an application with `routes`."""
    writer = Writer(options)
    document = writer.document([(each, writer.operation(each)) for each in routes])
    return translated(document) if language is Language.CHINESE else document


def in_chinese(text: str) -> str | None:
    """Return what the document says in English, in Chinese; None where that is not known.

    A text that ends in codes, behind a colon, keeps them.
    """
    text = " ".join(text.split())
    if text in _IN_CHINESE:
        return _IN_CHINESE[text]
    if text.endswith("."):  # the whole of what a summary says without it
        whole = _IN_CHINESE.get(text[:-1])
        return None if whole is None else f"{whole}。"
    said, _, codes = text.rpartition(": ")
    return f"{_IN_CHINESE[said]}：{codes}" if said in _IN_CHINESE else None


def translated(node: Any) -> Any:  # noqa: ANN401 -- a document, or a part of one
    """Return a document, its descriptions and summaries in Chinese; examples stay as they are."""
    if isinstance(node, list):
        return [translated(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: (in_chinese(each) or each)
        if name in _TEXTS and isinstance(each, str)
        else each
        if name in _EXAMPLES
        else translated(each)
        for name, each in node.items()
    }


def _described(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Say of each field what it means, where its model does not; sort the models by name."""
    for name, schema in schemas.items():
        for field, said in schema.get("properties", {}).items():
            known = FIELDS.get(f"{name}.{field}") or FIELDS.get(field)
            if known is not None:
                said.setdefault("description", known[1])
    return dict(sorted(schemas.items()))


def failures_of(route: Route) -> tuple[str, ...]:
    """Return every code with which a call of `route` can fail."""
    writes = route.method != "GET"
    unique = dict.fromkeys(
        (
            *route.failures,
            *BY_NEED[route.needs],
            *(("TIMEOUT",) if writes and route.needs == "owner" else ()),
            *(WRITES if writes else ()),
            *BY_ACCESS[route.access],
            *ALWAYS,
        )
    )
    return tuple(unique)


class Writer:
    """Writes operations, collects the schemas that they name, and puts all together."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.schemas: dict[str, Any] = {}
        self._written: dict[Any, dict[str, Any]] = {}

    def operation(self, route: Route) -> dict[str, object]:
        """Write the entry of one route."""
        asked = route.parameters if route.bare else (*route.parameters, LANGUAGE)
        written: dict[str, object] = {
            "operationId": route.name,
            "tags": [route.tag],
            "summary": route.summary,
            "description": route.description,
            "parameters": [each.document() for each in asked],
        }
        if route.access != "open":
            needed: dict[str, list[str]] = {_SCHEME: []}
            written["security"] = [needed] if self._options.tokens else [{}, needed]
        if route.body is not None:
            written["requestBody"] = self._body(route.body)
        written["responses"] = {
            "200": self._success(route),
            **self._failures(failures_of(route)),
            **({"503": self._success(route)} if route.unserved else {}),
        }
        return written

    def document(self, written: Iterable[tuple[Route, dict[str, object]]]) -> dict[str, Any]:
        """Put the entries of the routes together, what the service is for before all else."""
        sorted_ = sorted(written, key=lambda each: each[0].tag != _FIRST_TAG)
        paths: dict[str, dict[str, object]] = {}
        for route, operation in sorted_:
            paths.setdefault(route.path, {})[route.method.lower()] = operation
        about = {"version": self._options.version, "description": _ABOUT}
        return {
            "openapi": "3.1.0",
            "info": {"title": self._options.service, **about},
            # Where this document is: also behind a proxy's prefix.
            "servers": [{"url": "."}],
            "tags": [{"name": name} for name in dict.fromkeys(each.tag for each, _ in sorted_)],
            "paths": paths,
            "components": {
                "responses": self._elsewhere(),
                "securitySchemes": {_SCHEME: _BEARER},
                "schemas": _described(self.schemas),
            },
        }

    def _elsewhere(self) -> dict[str, object]:
        """Write the replies to calls that no route takes."""
        return {
            code: self._failure(status, [code])
            for status, codes in by_status(NOT_OF_A_ROUTE).items()
            for code in codes
        }

    def _body(self, body: Body) -> dict[str, object]:
        schema = body.model.model_json_schema(ref_template=_REFS)
        self.schemas.update(schema.pop("$defs", {}))
        for items in {UPDATES.items, OPERATIONS.items} & schema["properties"].keys():
            schema["properties"][items]["maxItems"] = self._options.max_batch
        self.schemas[body.model.__name__] = schema
        examples = {name: {"value": value} for name, value in body.examples.items()}
        ref = {"$ref": _REFS.format(model=body.model.__name__)}
        return {
            "required": body.required,
            "content": {JSON: {"schema": ref, "examples": examples}},
        }

    def _success(self, route: Route) -> dict[str, object]:
        schema = self._schema(route.reply)
        example = example_of(schema, self.schemas) if route.example is None else route.example
        if not route.bare:
            schema = _envelope(success=True, data=schema, codes=route.codes)
            for name in route.extra:
                schema["properties"][name] = {"type": "integer", "description": FIELDS[name][1]}
                schema["required"].append(name)
            params = example if isinstance(example, dict) else {}
            example = {
                "success": True,
                "message": render(route.text, Language.CHINESE, params),
                "data": example,
                "code": route.text.partition(".")[0],
                **route.extra,
            }
        content = {route.media: {"schema": schema, "example": example}}
        return {"description": route.summary, "headers": _headers(200), "content": content}

    def _failures(self, codes: Iterable[str]) -> dict[str, object]:
        return {
            str(status): self._failure(status, grouped)
            for status, grouped in by_status(codes).items()
        }

    def _failure(self, status: int, codes: Sequence[str]) -> dict[str, object]:
        models = [self._schema(each) for each in data_models(codes)]
        data = models[0] if len(models) == 1 else {"anyOf": models}
        examples = {code: {"value": failure_example(code)} for code in codes}
        schema = _envelope(success=False, data=data, codes=codes)
        return {
            "description": f"{_MEANINGS[status]}: {', '.join(codes)}",
            "headers": _headers(status),
            "content": {JSON: {"schema": schema, "examples": examples}},
        }

    def _schema(self, kind: Any) -> dict[str, Any]:  # noqa: ANN401 -- any type that pydantic reads
        if kind not in self._written:
            schema = orjson.loads(_json_schema(kind))
            self.schemas.update(schema.pop("$defs", {}))
            if "properties" in schema:
                self.schemas[kind.__name__] = schema
                schema = {"$ref": _REFS.format(model=kind.__name__)}
            self._written[kind] = schema
        return self._written[kind]


@cache
def _json_schema(kind: Any) -> bytes:  # noqa: ANN401 -- any type that pydantic reads
    """Return the schema as JSON: making it takes the longest, and is the same in each language."""
    return orjson.dumps(TypeAdapter(kind).json_schema(ref_template=_REFS))


def _envelope(*, success: bool, data: Mapping[str, Any], codes: Iterable[str]) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {
        "success": {"const": success},
        "message": {"type": "string"},
        "data": dict(data),
        "code": {"enum": list(codes)},
    }
    for name, (_, meaning) in ENVELOPE.items():
        fields[name].setdefault("description", meaning)
    return {
        "type": "object",
        "properties": fields,
        "required": ["success", "message", "data", "code"],
    }


def _headers(status: int) -> dict[str, object]:
    headers: dict[str, object] = {
        "X-Request-Id": {
            "description": "The call's id in the log",
            "schema": {"type": "string"},
        }
    }
    if status == _NO_TOKEN:
        headers["WWW-Authenticate"] = {
            "description": "The scheme of tokens",
            "schema": {"const": "Bearer"},
        }
    if status in _WAITS:
        headers["Retry-After"] = {"description": "Seconds", "schema": {"type": "integer"}}
    return headers
