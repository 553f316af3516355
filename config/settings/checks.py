"""Check single settings whose form pydantic doesn't know; no message repeats the value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

MAX_SHARDS: Final = 64
_MAX_DATABASE_NAME_BYTES: Final = 63
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_MAX_LABEL: Final = 30
_NODE_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HOST_AND_PORT = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
_UNFIT_IN_HOST = re.compile(r"[\s/@?#\"'<>]")
_UNFIT_IN_DATABASE = re.compile(r"[\s/\\.\"$*<>:|?@\x00]")
_ENCODE = "percent-encode special characters in the user name and password"


def check_host(host: str) -> str:
    """Return `host`; raise ValueError unless it can be a host name or an IP address."""
    if _UNFIT_IN_HOST.search(host):
        raise ValueError("must be a host name or an IP address, without scheme, port or path")
    return host


def check_label(text: str) -> str:
    """Return `text`; raise ValueError unless it is short and in one line."""
    if len(text) > _MAX_LABEL or not text.isprintable():
        raise ValueError(f"must be at most {_MAX_LABEL} printable characters")
    return text


def check_folder(folder: Path) -> Path:
    """Return `folder`, `~` expanded; raise ValueError when it is a URL by mistake."""
    if ":/" in str(folder):
        raise ValueError("must be the path of a folder")
    return folder.expanduser()


def check_time_zone(name: str) -> str:
    """Return `name`; raise ValueError unless this machine knows a zone of that name."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            "must be a time zone that this machine knows, such as Asia/Shanghai or UTC"
        ) from None


def shift_starts(text: str) -> tuple[int, ...]:
    """Return the minutes of the day that `text` names (08:00,20:00), ascending.

    Raises ValueError where one is none, or is named twice.
    """
    clocks = [_CLOCK.fullmatch(each.strip()) for each in text.split(",")]
    minutes = sorted(60 * int(each[1]) + int(each[2]) for each in clocks if each is not None)
    if len(set(minutes)) != len(clocks):
        raise ValueError("must be times of the day, such as 08:00,20:00, each once")
    return tuple(minutes)


def check_shifts(text: str) -> str:
    """Return `text`; raise ValueError unless it says when shifts begin."""
    shift_starts(text)
    return text


def check_node_id(node_id: str) -> str:
    """Return `node_id`; raise ValueError unless it fits in keys, paths and log lines."""
    if not _NODE_ID.fullmatch(node_id):
        raise ValueError("must be 1 to 100 characters out of A-Z a-z 0-9 . _ -")
    return node_id


def check_shards(count: object) -> object:
    """Return a number from 1 to 64, or "stored"; raise ValueError otherwise."""
    text = str(count).lower()
    if text == "stored":
        return text
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_SHARDS:
        raise ValueError(f"must be a whole number from 1 to {MAX_SHARDS}, or stored")
    return int(text)


def check_ray_address(address: str) -> str:
    """Return `address`; raise ValueError unless it is auto, or a host and a port."""
    if address != "auto" and not _HOST_AND_PORT.fullmatch(address):
        raise ValueError("must be auto, or host:port of the cluster's head")
    return address


def check_node_url(url: str) -> str:
    """Return `url` without a slash at its end; raise ValueError unless it is http or https."""
    parts = _split(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL with a host")
    if "@" in url or _is_ambiguous(url) or parts.query:
        raise ValueError("must carry no user name, password, query or fragment")
    return url.rstrip("/")


def check_database_name(name: str) -> str:
    """Return `name`; raise ValueError unless MongoDB takes it as a database's name."""
    if _UNFIT_IN_DATABASE.search(name) or len(name.encode()) > _MAX_DATABASE_NAME_BYTES:
        raise ValueError(
            f"must be a database name: at most {_MAX_DATABASE_NAME_BYTES} bytes,"
            ' without spaces and without any of / \\ . " $ * < > : | ? @'
        )
    return name


def check_mongodb_uri(uri: str) -> str:
    """Return `uri`; raise ValueError unless MongoDB's drivers can be expected to read it."""
    scheme, _, rest = uri.partition("://")
    if scheme not in {"mongodb", "mongodb+srv"} or not rest:
        raise ValueError("must start with mongodb:// or mongodb+srv://")
    address, _, tail = rest.partition("?")[0].partition("/")
    if _is_ambiguous(uri) or address.count("@") > 1 or "@" in tail:
        raise ValueError(f"can't be read: {_ENCODE}")
    if not all(address.rpartition("@")[2].split(",")):
        raise ValueError("must name at least one host, and no empty one")
    if tail:
        check_uri_database(tail)
    return uri


def check_uri_database(tail: str) -> str:
    """Return the database's name that is a URI's path; raise ValueError if it can't be one."""
    try:
        return check_database_name(unquote(tail))
    except ValueError as error:
        raise ValueError(f"the database in its path {error}") from None


def database_in_uri(uri: str) -> str | None:
    """Return the database that a MongoDB URI names, if it names one."""
    _, _, rest = uri.partition("://")
    return unquote(rest.partition("?")[0].partition("/")[2]) or None


def check_redis_url(url: str) -> str:
    """Return `url`; raise ValueError unless redis-py can be expected to read it."""
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must start with redis://, rediss:// or unix://")
    parts = _split(url)
    if parts is None or _is_ambiguous(url) or parts.netloc.count("@") > 1 or "@" in parts.path:
        raise ValueError(f"can't be read: {_ENCODE}, and give a port from 0 to 65535")
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise ValueError("must name the socket's path, as in unix:///run/redis.sock?db=0")
        return url
    if not parts.hostname:
        raise ValueError("must name a host")
    if not re.fullmatch(r"/?[0-9]*", parts.path):
        raise ValueError("must end in a database's number, as in redis://host:6379/0")
    return url


def _is_ambiguous(url: str) -> bool:
    """Return whether masking, or another reader, may see other borders in `url` than we do."""
    return re.search(r"[\s\"<>#]", url) is not None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no port, with a message that may hold a password
    except ValueError:
        return None
    return parts
