"""List all settings as documentation shows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.settings.bounds import bounds_of
from config.settings.settings import environment_fields

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class SettingReference:
    """One setting: its environment variable, and text in English and in Chinese.

    `default` and the allowed values are empty where there is nothing to say.
    """

    name: str
    default: str
    allowed: str
    allowed_zh: str
    description: str
    description_zh: str


def settings_reference() -> list[SettingReference]:
    """Return every setting, in the order of the model."""
    return [_reference(name, field) for name, (_, field) in environment_fields().items()]


def _reference(name: str, field: FieldInfo) -> SettingReference:
    notes = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    bounds = bounds_of(field)
    return SettingReference(
        name=name,
        default=str(notes["default"] or _default(field)),
        allowed=bounds.english if bounds else "",
        allowed_zh=bounds.chinese if bounds else "",
        description=field.description or "",
        description_zh=str(notes["zh"]),
    )


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, float):
        return f"{field.default:g}"
    return str(field.default) if isinstance(field.default, (int, str, Path)) else ""
