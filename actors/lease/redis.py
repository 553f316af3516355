"""The lease as one Redis key that expires, for nodes on several machines."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from actors.errors import LeaseUnavailable, StartupError
from actors.lease.port import UNKNOWN, Holder, LeaseView, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

# Who holds the key: nil nobody, false somebody whose record is not ours, else the token.
_WHO_HAS = """
local function who_has(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil end
  if kind ~= 'string' then return false end
  local ok, held = pcall(cjson.decode, redis.call('GET', key))
  return ok and type(held) == 'table' and held.token or false
end
"""
_HOLD = f"""{_WHO_HAS}
local held = who_has(KEYS[1])
if held ~= nil and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_RELEASE = f"""{_WHO_HAS}
if who_has(KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
# Another type than a string is reported without a value: it is no lease, and not ours to read.
_READ = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return false end
return {kind == 'string' and redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
"""
_CLEAR = """
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('PTTL', KEYS[1]) == -1
    and redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
# Only what was seen, and only while its expiry is still further off than any owner sets it.
_TAKE_OVER = """
local left = redis.call('PTTL', KEYS[1])
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) == ARGV[1]
    and (left == -1 or left > tonumber(ARGV[4])) then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0
"""
KEY_PREFIX = "plan_server:"
_NO_EXPIRY = -1
_TOO_LONG = 1.5
"""TTLs: no owner sets more than one, and one that lives renews three times in each."""
_OPEN_LIMIT_S = 5.0
"""At the start nothing depends on a quick answer, and a server may be busy."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A Redis server as host and port; what needs more (TLS, a user) comes as a URL."""

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    password: str | None = field(default=None, repr=False)


class RedisLease:
    """Hold the lease as the key `<key_prefix>lease`, one `Holder` as JSON, expiring by itself.

    Each call but `open` makes one try on a connection that nothing else uses and ends within
    `ttl_s` / 5, so that an owner that renews every `ttl_s` / 3 knows in time. The server's refusals
    (read-only, out of memory) count as no answer. Raises `StartupError` for a bad URL.
    """

    def __init__(
        self,
        server: str | RedisAddress,
        *,
        ttl_s: float,
        key_prefix: str = KEY_PREFIX,
        name: str = "redis",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._clock = clock
        self._overdue: tuple[bytes, float] | None = None
        self._broken: tuple[str, str] | None = None
        """The token with which a lease was taken over that did not end, and the words for it."""
        self._ttl_s = ttl_s
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._limit_s = ttl_s / 5
        self._key = f"{key_prefix}lease"
        # After the URL's own options: none of these is for a URL to decide.
        self._options: dict[str, Any] = {
            **_connection_options(server),
            "decode_responses": False,
            # The next one costs a round trip more at each connect, and a server since 6.0.
            "protocol": 2,
            # redis-py's default is ten tries of five seconds: longer than any lease.
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            "retry_on_timeout": False,
            # `_run` limits the whole call. With a limit of its own on sending, redis-py loses a
            # cancellation that comes then (`asyncio.wait_for` before Python 3.12).
            "socket_timeout": None,
            "socket_connect_timeout": None,
        }
        self._client: Redis | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._key} at {self._where}>"

    async def open(self) -> None:
        """Connect, log in and read the lease once; raises `StartupError` when that fails."""
        try:
            self._client = Redis.from_pool(ConnectionPool(**self._options))
            await self._run(_READ, limit_s=max(self._limit_s, _OPEN_LIMIT_S))
        except LeaseUnavailable as exc:
            await self.close()
            # What `_run` found is told in full; its own cause stays the cause.
            raise StartupError(str(exc)) from exc.__cause__
        except TypeError as exc:
            await self.close()
            raise StartupError(f"the Redis URL has an option nobody knows: {exc}") from None

    async def close(self) -> None:
        """Give the connections back; a lease that is held stays until it expires. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            # A connection that can't be closed in good order is gone all the same.
            with contextlib.suppress(RedisError, OSError):
                await client.aclose()

    async def acquire(self, holder: Holder) -> bool:
        """Take the lease if nobody holds it; tell whether `holder` has it now.

        After `LeaseUnavailable` it may have been taken: try again with the same token, which
        finds it, while a new token would be kept out by the old one until that expires.

        The server's clock may be set back, and a dead owner's lease last for hours: one whose
        expiry is too far off, and that nobody renews for 1.5 TTLs of this node's own clock, is
        taken over. Were its owner alive after all, the store's epoch would refuse its writes.
        """
        if await self._hold(holder):
            self._overdue = None
            return True
        return await self._take_over(holder)

    async def renew(self, holder: Holder) -> bool:
        """Extend by the TTL and store `holder`, unless another token has the lease.

        A lease that is gone, expired or lost with the server's data, is taken again: nobody
        holds it, and the script sees that and takes it in one step, so no other holder can be
        pushed out. Whether someone held it in between, and claimed an epoch, is for the store
        to say; stepping down over a flushed Redis would stop the service for no reason.
        """
        return await self._hold(holder)

    async def release(self, holder: Holder) -> bool:
        """Give the lease up if `holder`'s token has it; tell whether it had."""
        return bool(await self._run(_RELEASE, holder.token))

    async def view(self) -> LeaseView | None:
        """Read the lease; None when nobody holds it, holder "unknown" when the value isn't ours."""
        found = await self._read()
        if found is None:
            return None
        value, ttl_ms = found
        holder = UNKNOWN if value is None else decode(value)
        ttl_s = None if ttl_ms == _NO_EXPIRY else ttl_ms / 1000
        if holder == UNKNOWN:
            return LeaseView(holder, ttl_s, fault=self._fault())
        return LeaseView(holder, ttl_s, note=self._note(value, holder, ttl_s))

    def _note(self, value: bytes | None, holder: Holder, ttl_s: float | None) -> str | None:
        if self._overdue is not None and self._overdue[0] == value:
            left = "it has no expiry" if ttl_s is None else f"{ttl_s:.0f} s are left"
            return (
                f"the lease of {holder.node} does not expire by Redis' clock ({left}); nobody"
                f" renewed it for {self._clock() - self._overdue[1]:.0f} s; after"
                f" {_TOO_LONG * self._ttl_s:g} s without a renewal it is taken over"
            )
        if self._broken is not None and self._broken[0] == holder.token:
            return self._broken[1]
        return None

    def _fault(self) -> str:
        return (
            f"the Redis key {self._key} holds something else than a lease, so nobody can take it:"
            " find out who wrote it, and delete it"
        )

    async def clear_stuck(self) -> int:
        """Remove a lease without expiry that nobody renewed for `ttl_s` / 2; give the number.

        A live owner renews every `ttl_s` / 3, which restores the expiry: its lease is never
        removed, whoever took the expiry away. What is not a string is left alone.
        """
        found = await self._read()
        if found is None:
            return 0
        value, ttl_ms = found
        if value is None or ttl_ms != _NO_EXPIRY:
            return 0
        await asyncio.sleep(self._ttl_s / 2)
        return int(await self._run(_CLEAR, value))

    async def _hold(self, holder: Holder) -> bool:
        return bool(await self._run(_HOLD, holder.token, encode(holder), self._ttl_ms))

    async def _take_over(self, holder: Holder) -> bool:
        value, left_ms = await self._read() or (None, 0)
        too_long_ms = round(_TOO_LONG * self._ttl_s * 1000)
        # A live owner's renewal brings the expiry back; what is no lease is never broken.
        if (
            value is None
            or decode(value) == UNKNOWN
            or (left_ms != _NO_EXPIRY and left_ms <= too_long_ms)
        ):
            self._overdue = None
            return False
        if self._overdue is None or self._overdue[0] != value:
            self._overdue = (value, self._clock())
        silent_s = self._clock() - self._overdue[1]
        if silent_s <= _TOO_LONG * self._ttl_s:
            return False
        taken = await self._run(_TAKE_OVER, value, encode(holder), self._ttl_ms, too_long_ms)
        if taken:
            self._overdue = None
            words = (
                f"the lease of {decode(value).node} did not expire by Redis' clock; nobody renewed"
                f" it for {silent_s:.0f} s; taken over at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            )
            self._broken = (holder.token, words)
        return bool(taken)

    async def _read(self) -> tuple[bytes | None, int] | None:
        """Return the value (None when it is no string) and what PTTL says; None without a key."""
        found: tuple[bytes | None, int] | None = await self._run(_READ)
        return found

    async def _run(
        self, script: str, *args: str | bytes | int, limit_s: float | None = None
    ) -> Any:  # noqa: ANN401
        limit_s = limit_s or self._limit_s
        client = self._client
        if client is None:
            raise LeaseUnavailable("the Redis lease is not open")
        try:
            async with asyncio.timeout(limit_s):
                # The script itself and not its hash: one round trip, whatever a restart forgot.
                return await client.eval(script, 1, self._key, *args)
        except TimeoutError as exc:
            raise self._unavailable(f"no answer in {limit_s:g} s") from exc
        except (RedisError, OSError) as exc:
            reason = " ".join(str(exc).split()) or type(exc).__name__
            password = self._options.get("password")
            if password and password in reason:
                # A server without AUTH quotes the arguments it was given.
                raise self._unavailable(reason.replace(password, "***")) from None
            raise self._unavailable(reason) from exc

    def _unavailable(self, reason: str) -> LeaseUnavailable:
        return LeaseUnavailable(f"Redis at {self._where} can't be used: {reason}")

    @property
    def _where(self) -> str:
        options = self._options
        return str(options["path"]) if "path" in options else "{host}:{port}".format(**options)


def _connection_options(server: str | RedisAddress) -> dict[str, Any]:
    if isinstance(server, RedisAddress):
        return asdict(server)
    # Without its cause and without the URL: either may carry the password.
    try:
        url = urlsplit(server)
        options: dict[str, Any] = dict(parse_url(server))
    except ValueError:
        raise StartupError(
            "the Redis URL can't be read: it is redis://[user][:password@]host[:port][/db], "
            "rediss:// for TLS, with special characters of the password percent-encoded"
        ) from None
    if url.scheme == "unix":
        return options
    if "@" in url.path + url.query + url.fragment:
        # Else a piece of the password would be taken, and shown, for the host or the port.
        raise StartupError("the Redis URL has an @ too late: percent-encode its password")
    if url.path not in ("", "/") and not url.path[1:].isdecimal():
        # redis-py would take database 0 without a word.
        raise StartupError("the Redis URL does not end in the number of a database")
    return asdict(RedisAddress()) | options
