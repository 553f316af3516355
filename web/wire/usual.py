"""The usual form of an update: read, checked and typed in one step, in compiled code.

It has no field that is not known, each of its own kind and within its bounds. Whatever else may
come, what can be counted and what is to be refused, is for the models of `web.wire.schemas`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator, ValidationError, core_schema

from actors.domain.model import MAX_QUANTITY, ChangeType, LogContext
from web.wire.json_body import MAX_TOKENS
from web.wire.log_context import MAX_TEXT, BarcodeOperation, Source
from web.wire.structure import count_fields

if TYPE_CHECKING:
    from pydantic_core.core_schema import CoreSchema

MAX_REQUEST_ID: Final = 200
"""Characters that a request id may have."""
_NO_CONTEXT: Final = LogContext()
_TEXT: Final = core_schema.str_schema(max_length=MAX_TEXT)
_ID: Final = "[0-9a-f]{24}"
_CONTEXT: Final[dict[str, CoreSchema]] = {
    "related_barcode": _TEXT,
    "barcode_operation": core_schema.literal_schema([*BarcodeOperation.__members__, ""]),
    "process_step_id": core_schema.str_schema(pattern=f"^({_ID})?$"),
    "process_name": _TEXT,
    "process_code": _TEXT,
    "operator_id": _TEXT,
    "operator_name": _TEXT,
    "reason": _TEXT,
    "remark": _TEXT,
    "ip_address": _TEXT,
    "user_agent": _TEXT,
    "is_automatic": core_schema.bool_schema(),
    "source": core_schema.literal_schema([*Source.__members__, ""]),
}
_SAID: Final = {to_camel(name): (name, getattr(_NO_CONTEXT, name)) for name in _CONTEXT}
"""The fields of `LogContext` by the callers' names, with what they are where nothing is said."""


def _optional(fields: dict[str, CoreSchema]) -> dict[str, core_schema.TypedDictField]:
    return {
        name: core_schema.typed_dict_field(schema, required=False)
        for name, schema in fields.items()
    }


_READER: Final = SchemaValidator(
    core_schema.typed_dict_schema(
        {
            "workOrderId": core_schema.typed_dict_field(core_schema.str_schema(pattern=f"^{_ID}$")),
            "type": core_schema.typed_dict_field(core_schema.literal_schema([*ChangeType])),
            **_optional(
                {
                    "quantity": core_schema.int_schema(ge=-MAX_QUANTITY, le=MAX_QUANTITY),
                    "requestId": core_schema.str_schema(min_length=1, max_length=MAX_REQUEST_ID),
                    "wait": core_schema.bool_schema(),
                    "logContext": core_schema.typed_dict_schema(
                        _optional({to_camel(name): _CONTEXT[name] for name in _CONTEXT}),
                        extra_behavior="forbid",
                    ),
                }
            ),
        },
        extra_behavior="forbid",
        config={"strict": True},
    )
)


class UsualUpdate(NamedTuple):
    """What such an update says."""

    work_order_id: str
    type: ChangeType
    quantity: int
    said: dict[str, Any]
    """Of the fields of `LogContext` those that are not as they are where nothing is said."""
    request_id: str | None
    wait: bool | None


def read_usual(body: bytes) -> UsualUpdate | None:
    """Read a body; None where it is another form, or no update at all."""
    if len(body) > MAX_TOKENS:
        return None
    try:
        found = _READER.validate_json(body)
    except ValidationError:
        return None
    fields = len(found) + len(found.get("logContext", ()))
    # A field that is named twice is refused, by whom can tell which it is.
    if body.count(b":") != fields and count_fields(body, MAX_TOKENS) != fields:
        return None
    return _update(found)


def take_usual(item: object) -> UsualUpdate | None:
    """Read an item of a batch, decoded before, as `read_usual` does."""
    try:
        return _update(_READER.validate_python(item))
    except ValidationError:
        return None


def _update(found: dict[str, Any]) -> UsualUpdate:
    said = {
        field[0]: value
        for name, value in found.get("logContext", _NOTHING).items()
        if value != "" and value != (field := _SAID[name])[1]
    }
    return UsualUpdate(
        found["workOrderId"],
        _TYPES[found["type"]],
        found.get("quantity", 1),
        said,
        found.get("requestId"),
        found.get("wait"),
    )


_NOTHING: Final[dict[str, Any]] = {}
_TYPES: Final = {each.value: each for each in ChangeType}
