"""What the models of replies have in common. They describe replies, and never make one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

HexId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]


class Reply(BaseModel):
    """An object in a reply. A field with a default may be missing from it."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, use_attribute_docstrings=True)


class ReplySchema(GenerateJsonSchema):
    """Writes schemas of replies, in which a default says nothing to readers."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema without its default."""
        return self.generate_inner(schema["schema"])
