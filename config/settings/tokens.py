"""Check who may call: tokens, and the sites whose pages may."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,50}")
_TOKEN: Final = re.compile(r"[!-+\--~]{16,200}")  # visible, without commas
_ORIGIN: Final = re.compile(
    r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
)


def named_tokens(text: str) -> list[tuple[str, str]]:
    """Return (name, token) of each; a part without a colon has no name."""
    pairs = (part.strip().partition(":") for part in text.split(",") if part.strip())
    return [(name, token) for name, _, token in pairs]


def check_tokens(text: str) -> str:
    """Return `text`; raise ValueError unless it is a list of well-formed tokens."""
    pairs = named_tokens(text)
    if not pairs or not all(_NAME.fullmatch(n) and _TOKEN.fullmatch(t) for n, t in pairs):
        raise ValueError(
            "must be name:token, several with commas between them; a name is 1 to 50 characters"
            " out of A-Z a-z 0-9 . _ -, a token 16 to 200 visible ASCII characters without commas"
        )
    return text


def check_cluster_secret(text: str) -> str:
    """Return `text`; raise ValueError unless it is long enough, and the same in every file."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("must be 16 to 200 visible ASCII characters without commas")
    return text


def check_cors_origins(text: str) -> str:
    """Return the origins in the form in which browsers send them; raise ValueError if unfit."""
    origins = [part.strip().rstrip("/").lower() for part in text.split(",") if part.strip()]
    if not all(_ORIGIN.fullmatch(each) for each in origins):
        raise ValueError("must be origins such as https://factory.example, without a path")
    return ",".join(origins)


def repeated_tokens(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (setting, problem) where two tokens have one name, or are the same."""
    seen: set[str] = set()
    found = []
    for setting in ("API_TOKENS", "OPERATOR_TOKENS"):
        for pair in named_tokens(given.get(setting, "")):
            if seen.intersection(pair):
                found.append((setting, "has a name or a token twice, or one of the other setting"))
                break
            seen.update(pair)
    return found


def unguarded(given: Mapping[str, str]) -> str:
    """Return what is wrong with listening where others can call without a token; "" if nothing."""
    host = given.get("HOST", "")
    if not host or _is_loopback(host) or given.get("ALLOW_UNAUTHENTICATED") == "1":
        return ""
    if "API_TOKENS" in given or "OPERATOR_TOKENS" in given:
        return ""
    return (
        "is not the loopback, where anybody could call: set API_TOKENS or OPERATOR_TOKENS, or"
        " ALLOW_UNAUTHENTICATED=1 behind a firewall"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
