"""Just enough HTTP/1.1 to read a keep-alive service's answers."""

from __future__ import annotations

from typing import NamedTuple

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_STATUS = slice(9, 12)


class Answer(NamedTuple):
    """One answer: status and body."""

    status: int
    body: bytes


class UnreadableAnswerError(Exception):
    """The peer answered something other than a plain answer with a Content-Length."""


def parse_answer(data: bytes) -> Answer | None:
    """Return the answer in `data`, or None while it is incomplete.

    Nothing is pipelined here, so bytes behind the answer are an error, as is an answer without
    Content-Length (chunked): both raise UnreadableAnswerError.
    """
    head_end = data.find(_HEAD_END)
    if head_end < 0:
        return None
    head = data[:head_end].lower() + b"\r\n"
    at = head.find(_LENGTH)
    if not head.startswith(b"http/1.1 ") or at < 0:
        raise UnreadableAnswerError(head)
    at += len(_LENGTH)
    length = int(head[at : head.index(b"\r\n", at)])
    missing = head_end + len(_HEAD_END) + length - len(data)
    if missing < 0:
        raise UnreadableAnswerError(data)
    if missing > 0:
        return None
    return Answer(int(data[_STATUS]), data[head_end + len(_HEAD_END) :])
