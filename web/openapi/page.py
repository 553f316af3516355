"""Show the document to people: one page, nothing from elsewhere, readable without its script."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any, Final

from web.app_context import Language
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
_IN_CHINESE: Final = {
    "Updates": "更新",
    "Service": "服务",
    "Orders": "工单",
    "Queue": "队列",
    "Nodes": "节点",
    "Jobs": "任务",
    "Actors": "Actor",
    "Statistics": "统计",
    "Models": "数据结构",
    "Parameters": "参数",
    "Body": "请求体",
    "Reply": "答复",
    "Otherwise": "其他答复",
    "name": "名称",
    "in": "位置",
    "type": "类型",
    "meaning": "含义",
    "status": "状态码",
    "code": "代码",
    "field": "字段",
    "presence": "可缺省",
    "may be missing": "可能没有",
    "The same for programs": "供程序使用",
    "Filter": "筛选",
    "a path, a field, a code …": "路径、字段、代码……",
}


def page(document: Mapping[str, Any], language: Language = Language.ENGLISH) -> str:
    """Write the page; `{up}` stands before the document's own address."""
    return _Page(document, language).whole()


class _Page:
    """Writes the document in the language that it is in."""

    def __init__(self, document: Mapping[str, Any], language: Language) -> None:
        self._document = document
        self._chinese = language is Language.CHINESE

    def _say(self, label: str) -> str:
        return escape(_IN_CHINESE.get(label, label) if self._chinese else label)

    def whole(self) -> str:
        """Return all of it."""
        info = self._document["info"]
        title = escape(f"{info['title']} {info['version']}")
        sections = "".join(self._section(tag["name"]) for tag in self._document["tags"])
        mine, other, name = ("zh", "en", "English") if self._chinese else ("en", "zh", "中文")
        return (
            f'<!doctype html>\n<html lang="{mine}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<title>{title}</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n'
            f"</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
            f"<p>{_code_spans(info['description'])}</p>\n"
            f"<p>{self._say('The same for programs')}:"
            f' <a href="{{up}}openapi.json?lang={mine}">openapi.json</a> (OpenAPI 3.1) ·'
            f' <a href="?lang={other}" lang="{other}">{name}</a></p>\n'
            f'<input id="filter" type="search" aria-label="{self._say("Filter")}"'
            f' placeholder="{self._say("Filter")}: {self._say("a path, a field, a code …")}">\n'
            f"</header>\n<main>\n{sections}{self._schemas()}</main>\n"
            f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
        )

    def _section(self, tag: str) -> str:
        entries = [
            self._operation(method, path, operation)
            for path, operations in self._document["paths"].items()
            for method, operation in operations.items()
            if tag in operation["tags"]
        ]
        return f"<section>\n<h2>{self._say(tag)}</h2>\n{''.join(entries)}</section>\n"

    def _operation(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        said, whole = operation["summary"], operation["description"]
        parts = [] if whole.rstrip(".。") == said else [f"<p>{_code_spans(whole)}</p>\n"]
        if operation["parameters"]:
            parts.append(self._headed("Parameters", self._parameters(operation["parameters"])))
        if "requestBody" in operation:
            parts.append(self._headed("Body", _content(operation["requestBody"]["content"])))
        responses = operation["responses"]
        parts.append(self._headed("Reply", _content(responses["200"]["content"])))
        others = {status: reply for status, reply in responses.items() if status != "200"}
        if others:
            parts.append(self._headed("Otherwise", self._failures(others)))
        return (
            f'<details id="{escape(operation["operationId"])}">\n<summary>'
            f'<span class="method {method}">{method.upper()}</span> <code>{escape(path)}</code> '
            f'<span class="soft">{escape(said)}</span></summary>\n'
            f"<div>{''.join(parts)}</div>\n</details>\n"
        )

    def _headed(self, label: str, inside: str) -> str:
        return f"<h3>{self._say(label)}</h3>\n{inside}"

    def _parameters(self, parameters: Iterable[Mapping[str, Any]]) -> str:
        rows = [
            (
                f"<code>{escape(each['name'])}</code>",
                escape(each["in"]),
                _type(each["schema"]),
                escape(each["description"]),
            )
            for each in parameters
        ]
        return self._table(("name", "in", "type", "meaning"), rows)

    def _failures(self, responses: Mapping[str, Any]) -> str:
        rows = [
            (escape(status), escape(reply["description"])) for status, reply in responses.items()
        ]
        return self._table(("status", "code"), rows)

    def _schemas(self) -> str:
        schemas = self._document["components"]["schemas"]
        entries = [self._schema(name, each) for name, each in schemas.items()]
        return f"<section>\n<h2>{self._say('Models')}</h2>\n{''.join(entries)}</section>\n"

    def _schema(self, name: str, schema: Mapping[str, Any]) -> str:
        required = schema.get("required", ())
        rows = [
            (
                f"<code>{escape(field)}</code>",
                "" if field in required else self._say("may be missing"),
                _type(said),
                _code_spans(said.get("description", "")),
            )
            for field, said in schema.get("properties", {}).items()
        ]
        heads = ("field", "presence", "type", "meaning")
        inside = self._table(heads, rows) if rows else f"<p>{_type(schema)}</p>"
        return (
            f'<details id="{escape(name)}">\n<summary><code>{escape(name)}</code> '
            f'<span class="soft">{_code_spans(schema.get("description", ""))}</span></summary>\n'
            f"<div>{inside}</div>\n</details>\n"
        )

    def _table(self, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
        head = "".join(f"<th>{self._say(each)}</th>" for each in heads)
        body = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>\n" for row in rows)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


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
