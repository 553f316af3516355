"""Read the environment into one typed, frozen object, or name every mistake in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, NamedTuple, Self
from urllib.parse import quote

from pydantic import (
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import EnvSettingsSource

from config.redaction import MASK, UNSET, is_secret_name, mask_text
from config.settings import checks as _checks
from config.settings.fields import url_of
from config.settings.hosts import own_hosts
from config.settings.misspelt import mislaid, misspelt
from config.settings.mistakes import conflicts, mistake_lines
from config.settings.tokens import named_tokens
from config.settings.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo


class SettingsError(Exception):
    """The environment holds mistakes: `mistakes` has one readable line for each."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class ShownSetting(NamedTuple):
    """A setting as an operator may see it: secrets and credentials are masked."""

    name: str
    value: str
    source: Literal["environment", "default"]
    description: str


class Settings(Variables):
    """All that can be set, and what follows from it.

    Each setting is read from the environment variable of its upper-case name by
    `load_settings`; building `Settings` itself reads no environment.
    """

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> Self:
        fields = environment_fields()
        given = {
            name: _plain(getattr(self, key))
            for name, (key, _) in fields.items()
            if key in self.model_fields_set and getattr(self, key) is not None
        }
        if found := conflicts(given):
            raise ValueError("; ".join(f"{name}: {problem}" for name, problem in found))
        return self

    @property
    def nodes_allowed(self) -> tuple[str, ...]:
        """Return NODE_URL_ALLOW, one origin each."""
        return tuple(self.node_url_allow.split(","))

    @property
    def hosts_allowed(self) -> tuple[str, ...]:
        """Return the hosts of HOST and NODE_URL, loopback, and ALLOWED_HOSTS, one each."""
        return own_hosts(self.host, self.node_url, self.allowed_hosts)

    @property
    def tokens(self) -> tuple[tuple[str, str, bool], ...]:
        """Return (name, token, is an operator's) of all tokens."""
        kinds = ((self.api_tokens, False), (self.operator_tokens, True))
        return tuple(
            (name, token, operator)
            for held, operator in kinds
            for name, token in named_tokens(held.get_secret_value() if held else "")
        )

    @property
    def origins_allowed(self) -> tuple[str, ...]:
        """Return CORS_ORIGINS, one each."""
        return tuple(filter(None, self.cors_origins.split(",")))

    @property
    def shift_starts(self) -> tuple[int, ...]:
        """Return SHIFTS, in minutes of the day, ascending."""
        return _checks.shift_starts(self.shifts)

    @property
    def store_kind(self) -> Literal["mongodb", "sqlite"]:
        """Return where work orders are kept."""
        return "sqlite" if self.mongodb_uri is None else "mongodb"

    @property
    def lease_kind(self) -> Literal["redis", "file"]:
        """Return what decides which node is the owner."""
        return "file" if self.redis_dsn is None else "redis"

    @property
    def mongodb_database(self) -> str | None:
        """Return the name of the database to use, or None on SQLite."""
        if self.mongodb_uri is None:
            return None
        return self.mongodb_db or _checks.database_in_uri(self.mongodb_uri.get_secret_value())

    @property
    def shard_count(self) -> int | None:
        """Return how many shards there are; None where the store says it."""
        return None if self.shards == "stored" else self.shards

    @property
    def redis_dsn(self) -> SecretStr | None:
        """Return one URL for the Redis client, made of REDIS_HOST and so on if need be."""
        if self.redis_host is None:
            return self.redis_url
        password = self.redis_password.get_secret_value() if self.redis_password else ""
        user = f":{quote(password, safe='')}@" if password else ""
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        return SecretStr(f"redis://{user}{host}:{self.redis_port}/{self.redis_db}")

    def url_at(self, port: int) -> str:
        """Return where other nodes reach this one when the server got `port` (PORT may be 0)."""
        return self.node_url if "node_url" in self.model_fields_set else url_of(self.host, port)

    def describe(self) -> list[ShownSetting]:
        """Return every setting as it may be shown to operators, in the order of the table."""
        return [
            ShownSetting(
                name,
                _shown(name, getattr(self, key)),
                "environment" if key in self.model_fields_set else "default",
                field.description or "",
            )
            for name, (key, field) in environment_fields().items()
        ]


def environment_fields() -> dict[str, tuple[str, FieldInfo]]:
    """Return (attribute, field) of every setting by its environment variable's name."""
    return {
        str(field.validation_alias): (key, field) for key, field in Settings.model_fields.items()
    }


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read `environ` (the process's own when None); blank values count as unset.

    Raises SettingsError, with every mistake at once and no secret in any of them. A variable that
    was meant to say where data or ownership are kept, and is misspelt, is a mistake as well.
    """
    environ = os.environ if environ is None else environ
    fields = {name: field for name, (_, field) in environment_fields().items()}
    strayed = mislaid(misspelt(fields, environ))
    given = {name: environ[name].strip() for name in fields if environ.get(name, "").strip()}
    source = EnvSettingsSource(Settings, case_sensitive=True)
    source.env_vars = given
    failure = None
    try:
        settings = Settings(**source())
    except ValidationError as error:
        failure = error
    else:
        if not strayed:
            return settings
    # Raised out here: chained to pydantic's error it would carry the values given.
    raise SettingsError((*mistake_lines(failure, fields, given), *strayed))


def likely_misspelt(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return (variable, setting that was probably meant) of `environ`, or the process's own."""
    return misspelt(environment_fields(), os.environ if environ is None else environ)


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _shown(name: str, value: object) -> str:
    if value is None:
        return UNSET
    if isinstance(value, float):
        return f"{value:g}"
    return MASK if is_secret_name(name) else mask_text(_plain(value))
