"""Show the document to people: one page, nothing from elsewhere, readable without its script."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any, Final

from web.openapi.page_style import SCRIPT, STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src {_digest(STYLE)}; script-src {_digest(SCRIPT)};"
    # The page's icon is one without a file.
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Lets the page's own style and script run, and nothing else."""
_SCHEMAS: Final = "#/components/schemas/"


def page(document: Mapping[str, Any]) -> str:
    """Write the page; `{up}` stands before the document's own address."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    sections = "".join(_section(document, tag["name"]) for tag in document["tags"])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title}</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n'
        f"</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p>{_code_spans(info['description'])}</p>\n"
        '<p>The same for programs: <a href="{up}openapi.json">openapi.json</a> (OpenAPI 3.1)</p>\n'
        '<input id="filter" type="search" placeholder="Filter: a path, a field, a code …"'
        f' aria-label="Filter">\n</header>\n<main>\n{sections}{_schemas(document)}</main>\n'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _section(document: Mapping[str, Any], tag: str) -> str:
    entries = [
        _operation(method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if tag in operation["tags"]
    ]
    return f"<section>\n<h2>{escape(tag)}</h2>\n{''.join(entries)}</section>\n"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [_parameters(operation["parameters"])]
    if "requestBody" in operation:
        parts.append(f"<h3>Body</h3>\n{_content(operation['requestBody']['content'])}")
    responses = operation["responses"]
    parts.append(f"<h3>Reply</h3>\n{_content(responses['200']['content'])}")
    others = {status: reply for status, reply in responses.items() if status != "200"}
    if others:
        parts.append(f"<h3>Otherwise</h3>\n{_failures(others)}")
    return (
        f'<details id="{escape(operation["operationId"])}">\n<summary>'
        f'<span class="method {method}">{method.upper()}</span> <code>{escape(path)}</code> '
        f'<span class="soft">{escape(operation["summary"])}</span></summary>\n'
        f"<div>{''.join(parts)}</div>\n</details>\n"
    )


def _parameters(parameters: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            f"<code>{escape(each['name'])}</code>",
            escape(each["in"]),
            _type(each["schema"]),
            escape(each["description"]),
        )
        for each in parameters
    ]
    return f"<h3>Parameters</h3>\n{_table(('name', 'in', 'type', 'meaning'), rows)}" if rows else ""


def _content(content: Mapping[str, Any]) -> str:
    parts = []
    for media, described in content.items():
        parts.append(f"<p>{escape(media)}: {_type(_payload(described['schema']))}</p>\n")
        examples = described.get("examples") or {"": {"value": described["example"]}}
        for name, example in examples.items():
            label = f'<p class="soft">{escape(name)}</p>\n' if name else ""
            parts.append(f"{label}<pre>{escape(_json(example['value']))}</pre>\n")
    return "".join(parts)


def _payload(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data's schema where there is an envelope around it."""
    found: Mapping[str, Any] = schema.get("properties", {}).get("data", schema)
    return found


def _failures(responses: Mapping[str, Any]) -> str:
    rows = [(escape(status), escape(reply["description"])) for status, reply in responses.items()]
    return _table(("status", "code"), rows)


def _schemas(document: Mapping[str, Any]) -> str:
    entries = [_schema(name, each) for name, each in document["components"]["schemas"].items()]
    return f"<section>\n<h2>Models</h2>\n{''.join(entries)}</section>\n"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(field)}</code>",
            "" if field in required else "may be missing",
            _type(said),
            _code_spans(said.get("description", "")),
        )
        for field, said in schema.get("properties", {}).items()
    ]
    inside = (
        _table(("field", "presence", "type", "meaning"), rows)
        if rows
        else f"<p>{_type(schema)}</p>"
    )
    return (
        f'<details id="{escape(name)}">\n<summary><code>{escape(name)}</code> '
        f'<span class="soft">{_code_spans(schema.get("description", ""))}</span></summary>\n'
        f"<div>{inside}</div>\n</details>\n"
    )


def _type(schema: Mapping[str, Any]) -> str:  # noqa: PLR0911 -- one for each kind
    """Say in a few words what a schema allows, with links to what it names."""
    match schema:
        case {"$ref": str(ref)}:
            name = escape(ref.removeprefix(_SCHEMAS))
            return f'<a href="#{name}">{name}</a>'
        case {"anyOf": list(kinds)}:
            return " or ".join(dict.fromkeys(_type(kind) for kind in kinds))
        case {"const": value}:
            return f"<code>{escape(json.dumps(value))}</code>"
        case {"enum": list(values)}:
            return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"object of {_type(values)}"
        case {"type": str(kind)}:
            return escape(f"{kind} {_bounds(schema)}".strip())
        case _:
            return "anything"


def _bounds(schema: Mapping[str, Any]) -> str:
    said = [
        f"{name} {schema[name]}"
        for name in ("format", "pattern", "minimum", "maximum", "minLength", "maxLength", "default")
        if name in schema
    ]
    return f"({', '.join(said)})" if said else ""


def _code_spans(text: str) -> str:
    pieces = escape(text).split("`")
    return "".join(f"<code>{each}</code>" if at % 2 else each for at, each in enumerate(pieces))


def _json(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=1)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{each}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"
