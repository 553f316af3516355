"""The service's OpenAPI document, made strict: what it does not describe may not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import ClientResponse

_SCHEMAS = "#/components/schemas/"


class StrictDocument:
    """A document whose replies may have no field that it does not name."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.content = document
        self._schemas = document["components"]["schemas"]
        self._seen: set[str] = set()
        for _, operation in self.operations():
            self._close(operation["responses"])

    def operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return every operation, by method and path."""
        for path, operations in self.content["paths"].items():
            for method, operation in operations.items():
                yield f"{method.upper()} {path}", operation

    async def check(self, route: str, reply: ClientResponse) -> Any:  # noqa: ANN401
        """Check a reply of `route` in full; give its body."""
        described = dict(self.operations())[route]["responses"]
        assert str(reply.status) in described, (route, reply.status, await reply.text())
        (media, content), *_ = described[str(reply.status)]["content"].items()
        assert reply.content_type == media, route
        assert "X-Request-Id" in reply.headers
        if media.startswith("application/vnd."):  # a file, of which the document tells no more
            return await reply.read()
        body = await reply.json() if media == "application/json" else await reply.text()
        schema = {**content["schema"], "components": self.content["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        faults = [
            f"{list(each.instance_path)}: {each.message}" for each in validator.iter_errors(body)
        ]
        assert faults == [], (route, body)
        return body

    def _close(self, node: object) -> None:
        if isinstance(node, list):
            for each in node:
                self._close(each)
        if not isinstance(node, dict):
            return
        name = str(node.get("$ref", "")).removeprefix(_SCHEMAS)
        if name and name not in self._seen:
            self._seen.add(name)
            self._close(self._schemas[name])
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        for each in list(node.values()):
            self._close(each)
