"""A front door's side of one shard: what arrives goes there in few calls, and nothing twice.

An update waits here until one of the shard's processes serves and a call is free; until then it
can be withdrawn. Once sent, only its answer tells what became of it: a call that fails, or is
unanswered for long, leaves all that is unanswered unknown.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from actors.errors import MailboxFull, NotOwner, OutcomeUnknown, StillWaiting, WorkOrderError
from actors.orders.deadlines import seconds_left
from actors.ray.news import News, read_news
from actors.wire.payload import pack, read_answer, unpack, write_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.domain.messages import UpdateQuantity
    from actors.orders.batch import Answer
    from actors.ray.totals import Written

UNANSWERED_S: Final = 4.0
"""Seconds after which a call counts as failed: with nothing to say it is answered after 2."""
LOOKS_S: Final = 0.25
"""Between two looks for a process that serves."""
ASKS_S: Final = 1.0
"""Between two questions how the process is that serves, and how long one may take to say it."""
_LATE_S: Final = 2.0
"""After its deadline, a shard has said of every update what became of it."""

_log = structlog.get_logger(__name__)


class ShardHandle(Protocol):
    """One process of a shard. Whatever a call raises, what it carried may have been done."""

    async def exchange(self, payload: bytes) -> bytes:
        """Hand updates over, and take results: see `actors.ray.exchange.Exchange.call`."""
        ...

    async def operate(self, payload: bytes) -> bytes:
        """Have one operation done: see `actors.ray.shard.Shard.operate`."""
        ...

    async def info(self) -> bytes:
        """Say how it is: see `actors.ray.shard.ShardServer.info`."""
        ...


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How many calls are made at once (2 at least: one stays free), with how many updates each.

    `max_waiting` updates may wait for one.
    """

    calls: int = 4
    batch: int = 64
    max_waiting: int = 100_000


@dataclass(slots=True, eq=False)
class _Group:
    """Updates of one order, which go together; `answers` is done exactly once."""

    messages: Sequence[UpdateQuantity]
    answers: asyncio.Future[Sequence[Answer]]
    sent: bool = False
    timer: asyncio.TimerHandle | None = None

    def settle(self, answers: Sequence[Answer]) -> None:
        """Give the answers, unless they have been given."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.answers.done():
            self.answers.set_result(answers)

    def fail(self, error: WorkOrderError) -> None:
        """Give the same answer to all of them."""
        self.settle([error] * len(self.messages))


@dataclass(slots=True, eq=False)
class _Session:
    """What was sent to one process, until it is lost; a lost one's late results are nobody's."""

    handle: ShardHandle
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    process: str | None = None
    """As it named itself first: one that took its place knows nothing of this session."""
    sent: dict[int, _Group] = field(default_factory=dict)
    in_flight: int = 0
    lost: bool = False


class ShardLink:
    """The way to one shard. `handles` gives the processes that may serve it, as of now."""

    def __init__(
        self,
        shard: int,
        handles: Callable[[], Iterable[ShardHandle]],
        options: LinkOptions,
        counted: Callable[[str, Written], None] = lambda *_: None,
    ) -> None:
        """With `counted`, which is told each second what the process that serves has counted."""
        self.shard = shard
        self._counted = counted
        self._handles, self._options = handles, options
        self._buffer: deque[_Group] = deque()
        self.waiting = 0
        """Updates that wait here for a call."""
        self._numbers = count(1)
        self._session: _Session | None = None
        self._flushing = False
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        self.news: News | None = None
        """What the shard said of itself last; None while none of its processes serves."""
        self._open_groups = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.served = asyncio.Event()
        """Set while one of its processes serves."""

    def open(self) -> None:
        """Begin to look for a process that serves, until `close`."""
        self._run(self._watch())

    async def close(self, reason: str = "the node is stopping", within_s: float = 0.0) -> None:
        """Stop: what was not sent is not applied, what is not answered `within_s` is unknown."""
        self._closing = True
        for group in self._buffer:
            group.fail(NotOwner(reason))
        self._buffer.clear()
        self.waiting = 0
        await self.drained(within_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            self._lose(self._session, reason)

    async def drained(self, timeout_s: float) -> bool:
        """Wait until all that was given to this link is answered; `True` if it was in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        return self._empty.is_set()

    # -- updates -----------------------------------------------------------------------------

    async def send(self, messages: Sequence[UpdateQuantity]) -> Sequence[Answer]:
        """Have changes of one order applied; an answer each, in their order.

        Raises:
            MailboxFull: too many wait here already.

        """
        most = self._options.max_waiting
        if self.waiting + len(messages) > most:
            raise MailboxFull("node", most)
        loop = asyncio.get_running_loop()
        group = _Group(messages, loop.create_future())
        group.timer = loop.call_later(seconds_left(messages[0].deadline), self._overdue, group)
        self._buffer.append(group)
        self.waiting += len(messages)
        if not self._flushing:
            # What arrives in one turn of the loop goes in one call.
            self._flushing = True
            loop.call_soon(self._flush)
        self._open_groups += 1
        self._empty.clear()
        try:
            return await group.answers
        finally:
            self._open_groups -= 1
            if not self._open_groups:
                self._empty.set()

    def _overdue(self, group: _Group) -> None:
        if group.sent:
            loop = asyncio.get_running_loop()
            unknown = OutcomeUnknown("the deadline passed, and the shard has not answered")
            group.timer = loop.call_later(_LATE_S, group.fail, unknown)
            return
        self._buffer.remove(group)
        self.waiting -= len(group.messages)
        group.fail(StillWaiting(paused=self.news is not None and self.news.statistics.paused))

    def _flush(self) -> None:
        self._flushing = False
        session = self._session
        while session and self._buffer and session.in_flight < self._options.calls:
            self._call(session, self._take())

    def _take(self) -> list[_Group]:
        """Return the next groups, as many as go into one call."""
        taken, room = list[_Group](), self._options.batch
        while self._buffer and (not taken or len(self._buffer[0].messages) <= room):
            group = self._buffer.popleft()
            room -= len(group.messages)
            taken.append(group)
        self.waiting -= sum(len(group.messages) for group in taken)
        return taken

    def _call(self, session: _Session, groups: Sequence[_Group]) -> None:
        written = []
        for group in groups:
            number = next(self._numbers)
            written.append([number, [*map(write_answer, group.messages)]])
            group.sent = True
            session.sent[number] = group
        session.in_flight += 1
        self._run(self._exchange(session, pack(session.name, self._options.calls, written)))

    async def _exchange(self, session: _Session, payload: bytes) -> None:
        try:
            async with asyncio.timeout(UNANSWERED_S):
                news, results = _read(session, await session.handle.exchange(payload))
        except Exception as error:  # noqa: BLE001 -- whatever the way there raises
            self._lose(session, repr(error))
            return
        session.in_flight -= 1
        for number, answers in results:
            group = session.sent.pop(number, None)
            if group is not None:
                group.settle(answers)
        if session is self._session:
            self._note(session, news)
        self._go_on(session)

    def _go_on(self, session: _Session) -> None:
        """Send what waits; while anything is unanswered, one call is there to take it."""
        if session is self._session:
            self._flush()
        if session.sent and not session.in_flight and not session.lost:
            self._call(session, ())

    def _lose(self, session: _Session, reason: str) -> None:
        """Give a session up: what it carried is unknown."""
        if session.lost:
            return
        session.lost = True
        if session.sent:
            _log.warning("shard_lost", shard=self.shard, updates=len(session.sent), reason=reason)
        unknown = OutcomeUnknown(f"shard {self.shard} was lost: {reason}")
        for group in session.sent.values():
            group.fail(unknown)
        session.sent.clear()
        self._leave(session)

    def _leave(self, session: _Session) -> None:
        """Send nothing more by this session, and look for another."""
        if session is self._session:
            self._session = None
            self.news = None
            self.served.clear()
            self._wake.set()

    # -- operations --------------------------------------------------------------------------

    async def operate(self, name: str, arguments: Sequence[Any], within_s: float) -> Any:  # noqa: ANN401
        """Have the process that serves do something; return its answer as it was written.

        Raises:
            NotOwner: no process serves the shard.
            OutcomeUnknown: it did not answer.
            WorkOrderError: what it answered.

        """
        session = self._session
        if session is None:
            raise NotOwner(f"shard {self.shard} is away")
        try:
            async with asyncio.timeout(within_s):
                answer = await session.handle.operate(pack(name, *arguments))
        except TimeoutError:
            raise OutcomeUnknown(f"shard {self.shard} did not answer in time") from None
        except Exception as error:
            raise OutcomeUnknown(f"shard {self.shard} did not answer: {error!r}") from error
        failure, result, news = unpack(answer, least=3)[:3]
        if session is self._session:
            self._note(session, read_news(news))
        if failure is not None:
            raise read_answer(failure)
        return result

    # -- who serves --------------------------------------------------------------------------

    async def _watch(self) -> None:
        while not self._closing:  # else who serves is for the next link to find, and to count
            self._wake.clear()
            if self._session is None:
                # Not waited for: one that is mute must not keep us from asking its spare again.
                self._run(self._look())
            else:
                await self._ask(self._session)
            pause_s = LOOKS_S if self._session is None else ASKS_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
                # Whatever lost it, others are lost to it in the same moment.
                await asyncio.sleep(LOOKS_S / 10)

    async def _look(self) -> None:
        """Open a session with the first process that says that it serves."""
        asked = [asyncio.ensure_future(self._served_by(each)) for each in self._handles()]
        try:
            with suppress(TimeoutError):
                for next_one in asyncio.as_completed(asked, timeout=ASKS_S):
                    found = await next_one
                    if found is not None:
                        self._begin(*found)
                        return
        finally:
            for each in asked:
                each.cancel()

    async def _served_by(self, handle: ShardHandle) -> tuple[ShardHandle, News] | None:
        try:
            news = await self._news_of(handle)
        except Exception:  # noqa: BLE001 -- it is as good as not there
            return None
        return (handle, news) if news.status.serving else None

    def _begin(self, handle: ShardHandle, news: News) -> None:
        """Send to this process, unless the one that is sent to is of no earlier epoch."""
        if self._session is not None and self.news is not None:
            if news.status.epoch <= self.news.status.epoch:
                return
            self._lose(self._session, f"epoch {news.status.epoch} owns the orders")
        self._session = _Session(handle)
        self.news = news
        self.served.set()
        _log.info("shard_found", shard=self.shard, node=news.status.node, epoch=news.status.epoch)
        self._flush()

    async def _ask(self, session: _Session) -> None:
        """Learn how the process is that serves, also while there is nothing to send.

        As long as it says nothing, another one is looked for that has taken over from it.
        """
        asked = asyncio.ensure_future(self._news_of(session.handle))
        try:
            async with asyncio.timeout(UNANSWERED_S):
                while not (await asyncio.wait({asked}, timeout=LOOKS_S))[0]:
                    if session is not self._session:
                        return
                    self._run(self._look())
                news = asked.result()
        except Exception as error:  # noqa: BLE001 -- whatever the way there raises
            self._lose(session, repr(error))
            return
        finally:
            asked.cancel()
        if session is self._session:
            self._note(session, news)

    def _note(self, session: _Session, news: News) -> None:
        self.news = news
        if not news.status.serving:
            # What it has is still answered; what waits here goes to its successor.
            self._leave(session)

    async def _news_of(self, handle: ShardHandle) -> News:
        written, *counted = unpack(await handle.info(), least=1)
        news = read_news(written)
        if news.status.serving and counted:  # an earlier release does not tell
            # Whatever another one tells: no order depends on it.
            with suppress(LookupError, TypeError, ValueError):
                self._counted(*counted[:2])
        return news

    def _run(self, work: Any) -> None:  # noqa: ANN401
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _read(session: _Session, answer: bytes) -> tuple[News, list[tuple[int, list[Answer]]]]:
    process, news, results = unpack(answer, least=3)[:3]
    if process != (session.process or process):
        raise OutcomeUnknown("another process has taken its place")
    session.process = process
    unknown = OutcomeUnknown("the answer is of a kind that this release does not know")
    return read_news(news), [
        (number, [read_answer(each) or unknown for each in answers]) for number, answers in results
    ]
