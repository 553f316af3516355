"""Tokens that callers and operators show: several at once, so that each can be replaced alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Token:
    """A secret, the name under which it is logged, and whether operators' writes need no other."""

    name: str
    secret: str = field(repr=False)
    operator: bool = False


class Keyring:
    """Finds the token that a request shows; every look compares all of them, in constant time."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._known = [(_digest(each.secret), each) for each in tokens]

    @property
    def empty(self) -> bool:
        """Whether nobody is asked for a token."""
        return not self._known

    def shown(self, authorization: str) -> Token | None:
        """Give the token of an `Authorization` header; None when it is none of ours."""
        scheme, _, secret = authorization.partition(" ")
        given = _digest(secret.strip() if scheme.lower() == "bearer" else "")
        found = None
        for digest, token in self._known:
            if compare_digest(given, digest):
                found = token
        return found


def _digest(secret: str) -> bytes:
    """Make secrets of one length, so that not even that shows in the time a comparison takes."""
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
