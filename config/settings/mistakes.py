"""Turn what is wrong with the environment into lines that an operator can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from config.redaction import MASK, is_secret_name, mask_text
from config.settings.bounds import bounds_of
from config.settings.checks import database_in_uri
from config.settings.tokens import repeated_tokens, unguarded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError
    from pydantic.fields import FieldInfo

_SECRET_SETTINGS: Final = frozenset(
    {
        "MONGODB_URI",
        "REDIS_URL",
        "REDIS_PASSWORD",
        "API_TOKENS",
        "OPERATOR_TOKENS",
        "CLUSTER_SECRET",
    }
)
_REDIS_PARTS: Final = ("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB")
_MAX_SHOWN: Final = 100


def mistake_lines(
    error: ValidationError | None,
    fields: Mapping[str, FieldInfo],
    given: Mapping[str, str],
) -> tuple[str, ...]:
    """Return one line per mistake, in the order of `fields` (keyed by environment name)."""
    problems: dict[str, str] = {}
    for detail in error.errors() if error else ():
        # Without a location it is a conflict, found again below; a default is not called
        # when it depends on a setting that is wrong itself.
        if not detail["loc"] or detail["type"] == "default_factory_not_called":
            continue
        name = str(detail["loc"][0])
        bounds = bounds_of(fields[name])
        custom = detail.get("ctx", {}).get("error")
        problem = f"must be {bounds.english}" if bounds else str(custom or detail["msg"])
        problems[name] = problem + _shown(name, given.get(name))
    for name, problem in conflicts(given):
        problems.setdefault(name, problem)
    return tuple(f"{name}: {problems[name]}" for name in fields if name in problems)


def conflicts(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (name, problem) of settings that contradict or need each other.

    A half-set address is a mistake: falling back to the embedded store or lease would make
    two nodes of one factory work past each other.
    """
    found = []
    if problem := unguarded(given):
        found.append(("HOST", problem))
    found.extend(repeated_tokens(given))
    uri = given.get("MONGODB_URI")
    if uri is None and "MONGODB_DB" in given:
        problem = "has no effect without MONGODB_URI: set that too, or unset this to use SQLite"
        found.append(("MONGODB_DB", problem))
    if uri is None and given.get("SHARDS", "1").strip() not in ("", "1"):
        problem = "needs MONGODB_URI: the embedded store is for one shard"
        found.append(("SHARDS", problem))
    if uri is not None and "MONGODB_DB" not in given and database_in_uri(uri) is None:
        problem = (
            "names no database: end its path with one, as in mongodb://host:27017/factory,"
            " or set MONGODB_DB"
        )
        found.append(("MONGODB_URI", problem))
    if given.get("ACTOR_ENGINE", "").strip().lower() == "ray":
        found.extend(_unfit_for_ray(given))
    parts = [name for name in _REDIS_PARTS if name in given]
    if "REDIS_URL" in given and parts:
        problem = f"says it all: unset {', '.join(parts)}, or unset REDIS_URL and set REDIS_HOST"
        found.append(("REDIS_URL", problem))
    elif parts and "REDIS_HOST" not in given:
        problem = "has no effect without REDIS_HOST: set that too, or unset this to use a file"
        found.extend((name, problem) for name in parts)
    return found


def _unfit_for_ray(given: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    if "MONGODB_URI" not in given:
        found.append(("ACTOR_ENGINE", "needs MONGODB_URI: other processes can't share SQLite"))
    elif not {"REDIS_URL", "REDIS_HOST"} & given.keys():
        found.append(("ACTOR_ENGINE", "needs Redis: other machines can't share a file lease"))
    return found


def _shown(name: str, value: str | None) -> str:
    if value is None or name in _SECRET_SETTINGS or is_secret_name(name):
        return ""
    # A URI may have come into the wrong setting: what stands before an @ may be a password.
    if "@" in value:
        value = MASK + value[value.rindex("@") :]
    value = mask_text(value)
    return f", got {value[:_MAX_SHOWN]!r}{'…' if len(value) > _MAX_SHOWN else ''}"
