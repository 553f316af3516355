"""Connections that were cut off are counted, and told without filling the log."""

from __future__ import annotations

from structlog.testing import capture_logs

from web.wire.cuts import Cuts


def test_each_reason_is_told_at_once_and_then_now_and_then_with_a_count() -> None:
    now = [100.0]
    cuts = Cuts(lambda: now[0])
    with capture_logs() as lines:
        for at, reason in ((100, "unread"), (101, "unread"), (102, "full"), (109, "unread")):
            now[0] = at
            cuts.note(reason, "10.0.0.1")  # type: ignore[arg-type]
        now[0] = 110
        cuts.note("unread", "10.0.0.2")
    told = [(line["reason"], line["remote"], line["count"]) for line in lines]
    assert told == [("unread", "10.0.0.1", 1), ("full", "10.0.0.1", 1), ("unread", "10.0.0.2", 3)]
    assert {line["event"] for line in lines} == {"connections_cut"}
    assert cuts.counts == {"unread": 4, "full": 1}
