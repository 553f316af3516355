"""Examples of replies about the service, its actors and its nodes."""

from __future__ import annotations

from typing import Any, Final

from web.openapi.operation import AT, JOB, ORDER

ROW: Final = {
    "workOrderId": ORDER,
    "workOrderNo": "DEMO-0001",
    "state": "active",
    "depth": 3,
    "oldestWaitMs": 12.5,
    "ratePerSecond": 0.4,
    "tookMs": 6.1,
    "handled": 24,
    "failed": 0,
    "lastActive": AT,
}
HAPPENING: Final = {
    "at": "2026-11-23T20:05:40.479+00:00",
    "event": "applied",
    "workOrderId": ORDER,
    "jobId": JOB,
    "type": "input",
    "quantity": 1,
    "afterQuantity": 1,
    "seq": 1,
    "code": "UPDATED",
    "detail": None,
    "tookMs": 6.1,
    "requestId": "a9e9dced00000002",
}
LIVE_ACTOR: Final = {
    **ROW,
    "live": True,
    "paused": False,
    "doing": "committing",
    "doingForMs": 2.5,
    "doingJobId": JOB,
    "loaded": True,
    "seq": 1,
    "epoch": 1,
    "madeAt": AT,
    "waitedMs": 0.2,
    "handlingMs": 5.9,
    "outbox": {"entries": 0, "stored": False},
    "updates": [HAPPENING],
    "logRead": True,
}
CHANGES: Final = [{"node": "node-1", "url": "http://127.0.0.1:3001", "epoch": 1, "since": AT}]
NODE: Final[dict[str, Any]] = {
    "node": "node-1",
    "url": "http://127.0.0.1:3001",
    "version": "0.1.0",
    "role": "owner",
    "epoch": 1,
    "serving": True,
    "reason": None,
    "paused": False,
    "leaseHolder": "node-1",
    "leaseLeftMs": 4200,
    "ownerUrl": "http://127.0.0.1:3001",
    "takenOver": 1,
    "steppedDown": 0,
    "ownerChanges": CHANGES,
    "upS": 3600,
    "loopLagMs": 1.2,
    "store": {"name": "mongodb", "ok": True, "detail": "ok", "sinceS": 3600, "failures": 0},
    "lease": {"name": "redis", "ok": True, "detail": "ok", "sinceS": 3600, "failures": 0},
}
SPREAD: Final = {"count": 600, "p50": 5.8, "p90": 9.1, "p99": 20.5, "longest": 80.2}
STATS: Final = {
    "node": "node-1",
    "epoch": 1,
    "live": 3,
    "states": {"idle": 2, "active": 1},
    "paused": False,
    "pausedOrders": 0,
    "mailboxes": {
        "waiting": 3,
        "notEmpty": 1,
        "max": 3,
        "p50": 3,
        "p90": 3,
        "p99": 3,
        "oldestWaitMs": 12.5,
    },
    "timesMs": dict.fromkeys(("waiting", "handling", "commit", "total"), SPREAD),
    "updates": {
        "applied": 596,
        "replayed": 2,
        "refused": 1,
        "failed": 1,
        "byCode": {"DUPLICATE_OPERATION": 1, "SERVICE_UNAVAILABLE": 1},
        "perSecond": 10.0,
    },
    "commits": {
        "orders": 590,
        "entries": 596,
        "batches": 400,
        "meanBatch": 1.5,
        "largestBatch": 12,
        "conflicts": 0,
        "retries": 0,
        "fenced": 0,
        "relayErrors": 0,
    },
    "outboxes": {"orders": 0, "entries": 0},
    "jobs": {"waiting": 0},
    "actors": {"created": 3, "passivated": 0, "restarted": 0, "unknownOrders": 1},
}
HISTORY: Final = {
    "node": "node-1",
    "everyS": 5,
    "at": ["2026-11-23T20:05:35.479+00:00", "2026-11-23T20:05:40.479+00:00"],
    "applied": [812.4, 0.0],
    "refused": [0.2, 0.0],
    "failed": [0.0, 0.0],
    "p50Ms": [5.8, None],
    "p99Ms": [20.5, None],
    "waiting": [31, 0],
    "active": [12, 0],
    "live": [1204, 1204],
    "paused": [False, True],
}
HEALTH: Final = {
    "status": "ok",
    "message": "工单处理服务运行正常",
    "timestamp": AT,
    "service": "work-order-service",
    "version": "0.1.0",
    "role": "owner",
    "node": "node-1",
    "epoch": 1,
    "serving": True,
    "owner": {"node": "node-1", "epoch": 1},
    "reason": None,
    "paused": False,
    "dependencies": {
        "store": {"name": "mongodb", "ok": True, "detail": "ok", "since_s": 3600.0},
        "lease": {"name": "redis", "ok": True, "detail": "ok", "since_s": 3600.0},
    },
}
LOG_STATE: Final = {"node": "node-1", "level": "info", "dropped": 0}
