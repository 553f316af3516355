"""The replayer: sends what waits in the outbox, in order, with its keys."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .batch import MAX_BYTES, OF_THE_CALL, batch_request, is_unsettled, results_of
from .calls import Unsettled
from .outbox_file import OutboxUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Calls, Reply
    from .options import ClientOptions
    from .outbox import Outbox
    from .outbox_file import DeadLetter, Entry

_TRIES: Final = 5
"""How often the service may fail on an update (500) before it is a dead letter."""
_LIMIT_S: Final = 30.0
"""For one call: the service itself answers within 25 s by default."""
_WAIT_FIRST_S: Final = 0.2
_WAIT_LONGEST_S: Final = 5.0
_MOST_BLOCKED: Final = 200

_log = logging.getLogger("plan_server_client")


class Replayer:
    """Works while `run` does; of the processes that share a file one at a time replays."""

    def __init__(
        self,
        outbox: Outbox,
        calls: Calls,
        options: ClientOptions,
        on_dead_letter: Callable[[DeadLetter], object] | None,
    ) -> None:
        self._outbox = outbox
        self._calls = calls
        self._options = options
        self._on_dead_letter = on_dead_letter
        self._size = options.replay_batch
        self._blocked: dict[str, float] = {}
        """Orders whose first entry was put off, and until when (loop time)."""
        self._failures = 0

    async def run(self) -> None:
        """Replay whenever there is something, until cancelled."""
        while True:
            self._outbox.filled.clear()
            wait_s = self._options.replay_poll_s
            try:
                if await self._outbox.run(self._outbox.file.start_replaying):
                    wait_s = await self._replay()
            except OutboxUnusable as error:
                _log.error("the outbox can't be replayed: %s", error)
            except Exception:  # noqa: BLE001 -- the edge of a task: logged, and tried again
                _log.exception("replaying failed, and is tried again")
            finally:
                with suppress(OutboxUnusable):
                    await self._outbox.run(self._outbox.file.stop_replaying)
            await self._pause(wait_s)

    async def _pause(self, wait_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                # After a failure new entries are no reason to try at once.
                if self._failures or self._blocked:
                    await asyncio.Event().wait()
                await self._outbox.filled.wait()

    async def _replay(self) -> float:
        """Send until nothing is left or the service is away; give how long to wait then."""
        await self._tell()
        now = asyncio.get_running_loop().time
        while True:
            self._blocked = {order: end for order, end in self._blocked.items() if end > now()}
            entries = await self._outbox.run(
                self._outbox.file.first, self._size, MAX_BYTES, tuple(self._blocked)
            )
            if not entries:
                left = [end - now() for end in self._blocked.values()]
                return max(min([self._options.replay_poll_s, *left]), 0.0)
            try:
                await self._send(entries)
            except Unsettled as error:
                wait_s = self._back_off(error)
                if not self._put_off(entries, error, now() + wait_s):
                    return wait_s
            else:
                self._failures = 0
            if len(self._blocked) > _MOST_BLOCKED:
                return _WAIT_FIRST_S

    def _put_off(self, entries: list[Entry], error: Unsettled, until: float) -> bool:
        """Let one order that the service puts off wait alone; tell whether that was it."""
        orders = {entry.update.order for entry in entries}
        # With Retry-After the service itself said so; it may be about this order only.
        if error.retry_after_s is None or len(orders) > 1:
            return False
        self._blocked[orders.pop()] = until
        return True

    def _back_off(self, error: Unsettled) -> float:
        if error.maybe_applied:
            # It may have been too much for the time there is.
            self._size = max(1, self._size // 2)
        self._failures += 1
        wait_s = min(_WAIT_LONGEST_S, _WAIT_FIRST_S * 2 ** min(self._failures, 10))
        if error.retry_after_s is not None:
            wait_s = max(_WAIT_FIRST_S, min(error.retry_after_s, _WAIT_LONGEST_S))
        return float(wait_s * random.uniform(0.75, 1.25))  # noqa: S311 -- jitter

    async def _send(self, entries: list[Entry]) -> None:
        """Send one batch and note what became of each; raises `Unsettled` for none of them."""
        end = asyncio.get_running_loop().time() + _LIMIT_S
        reply = await self._calls.once(batch_request([each.update for each in entries]), end)
        if reply.status in range(200, 300):
            await self._settle(entries, results_of(reply, len(entries)))
            self._size = min(self._options.replay_batch, 2 * self._size)
        else:
            await self._refused(entries, reply)

    async def _settle(self, entries: list[Entry], results: list[dict[str, Any]]) -> None:
        done: list[Entry] = []
        dead: list[tuple[Entry, str, str]] = []
        failed: list[Entry] = []
        now = asyncio.get_running_loop().time()
        for entry, result in zip(entries, results, strict=True):
            code, reason = str(result.get("code")), str(result.get("message", ""))
            if result.get("success") is True:
                done.append(entry)
            elif is_unsettled(result):
                self._blocked[entry.update.order] = now + _WAIT_FIRST_S
            elif code == "SYSTEM_ERROR" and entry.tries + 1 < _TRIES:
                failed.append(entry)
                self._blocked[entry.update.order] = now + _WAIT_FIRST_S * 2**entry.tries
            else:
                dead.append((entry, code, reason))
        await self._outbox.run(self._outbox.file.settle, done, dead, failed)
        if dead:
            await self._tell()

    async def _refused(self, entries: list[Entry], reply: Reply) -> None:
        """Find the one update in a call that the service refuses as a whole."""
        reason = str(reply.body.get("message", ""))
        if reply.code not in OF_THE_CALL:
            raise Unsettled(reply.code, f"status {reply.status}: {reason}")
        if len(entries) > 1:
            self._size = max(1, len(entries) // 2)
            return
        self._size = self._options.replay_batch
        await self._outbox.run(self._outbox.file.settle, [], [(entries[0], reply.code, reason)], [])
        await self._tell()

    async def _tell(self) -> None:
        """Tell of dead letters, at least once each; a callback that fails is asked again later."""
        if self._on_dead_letter is None:
            return
        for letter in await self._outbox.run(self._outbox.file.dead_letters, untold=True):
            try:
                answer = self._on_dead_letter(letter)
                if inspect.isawaitable(answer):
                    await answer
            except Exception:  # noqa: BLE001 -- a caller's code; what it raises is logged
                _log.exception("the callback for dead letters failed")
                return
            await self._outbox.run(self._outbox.file.told, letter)
