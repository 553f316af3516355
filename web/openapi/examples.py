"""Examples of replies, made from their schemas, with names and numbers that people know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from web.route import JOB, ORDER

if TYPE_CHECKING:
    from collections.abc import Mapping

_AT: Final = "2026-11-23T20:05:40.479Z"
_KNOWN: Final[Mapping[str, object]] = {
    "_id": JOB,
    "jobId": JOB,
    "doingJobId": JOB,
    "workOrderNo": "DEMO-0001",
    "materialCode": "1.01.001",
    "materialName": "温控器主板",
    "productionLineName": "SMT一线",
    "relatedBarcode": "SN0001",
    "barcodeOperation": "OTHER",
    "operatorId": "SYSTEM",
    "source": "SYSTEM",
    "reason": "投入数量增加",
    "status": "IN_PROGRESS",
    "beforeStatus": "IN_PROGRESS",
    "afterStatus": "IN_PROGRESS",
    "requestId": "scan-17",
    "node": "node-1",
    "workerId": "node-1",
    "leaseHolder": "node-1",
    "toldBy": "node-1",
    "url": "http://127.0.0.1:3001",
    "ownerUrl": "http://127.0.0.1:3001",
    "version": "0.1.0",
    "service": "work-order-service",
    "doing": "committing",
    "event": "applied",
    "detail": "ok",
}


_PLAIN: Final[Mapping[str, object]] = {
    "boolean": False,
    "integer": 1,
    "number": 1,
    "null": None,
}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "") -> object:
    """Return a value that fits `schema`, of a field `name`; it may refer to `schemas`."""
    referred = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else None
    for other in (referred, *schema.get("anyOf", ())[:1]):
        if other is not None:
            return example_of(other, schemas, name)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    match schema.get("type"):
        case "object":
            return _object(schema, schemas)
        case "array":
            return [example_of(schema["items"], schemas, name)]
        case "string":
            return _text(schema, name)
        case plain:
            return _PLAIN.get(plain or "", _KNOWN.get(name))


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, object]:
    made = {
        name: example_of(each, schemas, name) for name, each in schema.get("properties", {}).items()
    }
    more = schema.get("additionalProperties")
    if not made and isinstance(more, dict):
        keys = schema.get("propertyNames", {"type": "string"})
        made[str(example_of(keys, schemas, "name"))] = example_of(more, schemas)
    return made


def _text(schema: Mapping[str, Any], name: str) -> object:
    if schema.get("format") == "date-time":
        return _AT
    if "pattern" in schema:
        return JOB if name in _KNOWN and _KNOWN[name] == JOB else ORDER
    return _KNOWN.get(name, name)
