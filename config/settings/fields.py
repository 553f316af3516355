"""Build the fields of the settings model, and the defaults that are computed at start."""

from __future__ import annotations

import os
import re
import secrets
import socket
from typing import TYPE_CHECKING, Any

from pydantic import AfterValidator, Field, SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable


def secret(check: Callable[[str], str]) -> AfterValidator:
    """Return a validator that applies `check` to what a secret holds."""

    def validate(held: SecretStr) -> SecretStr:
        return SecretStr(check(held.get_secret_value()))

    return AfterValidator(validate)


def lower(value: object) -> object:
    """Return `value` in lower case, so that LOG_LEVEL=INFO is taken too."""
    return value.lower() if isinstance(value, str) else value


def new_node_id() -> str:
    """Return a name that no other process has: host, process id and four random digits."""
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:80] or "node"
    return f"{host}-{os.getpid()}-{secrets.token_hex(2)}"


def url_of(host: str, port: int) -> str:
    """Return the URL of a service that listens on `host` and `port`."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 compared only
        # Other nodes can't reach "every address": the host's name is the best guess then.
        name = socket.gethostname()
    else:
        # An address needs no look-up, which may know this name as the other loopback only.
        name = "127.0.0.1" if host.lower() == "localhost" else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def url_here(host: str, port: int) -> str:
    """Return the URL at which people on this machine reach a service that listens there."""
    return url_of({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104


def setting(
    default: object,
    english: str,
    chinese: str,
    *,
    shown: str | None = None,
    **rules: Any,  # noqa: ANN401 handed on to pydantic's Field, which takes and returns Any
) -> Any:  # noqa: ANN401
    """Return a field; `shown` stands for a default that is computed at start."""
    kind = "default_factory" if callable(default) else "default"
    given: dict[str, Any] = {kind: default, "json_schema_extra": {"zh": chinese, "default": shown}}
    return Field(description=english, **given, **rules)


def number(
    default: float,
    low: float,
    high: float,
    english: str,
    chinese: str,
    **rules: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Return the field of a number from `low` to `high`."""
    return setting(default, english, chinese, ge=low, le=high, **rules)
