"""Examples of replies about updates, orders, their logs and jobs."""

from __future__ import annotations

from typing import Final

from web.openapi.operation import AT, JOB, ORDER

QUEUED: Final = {
    "success": True,
    "jobId": JOB,
    "workOrderId": ORDER,
    "type": "input",
    "quantity": 1,
    "queueLength": 0,
    "activeJobs": 0,
    "estimatedDelay": 0,
    "replayed": False,
}
CHANGE: Final = {
    "quantity": 1,
    "beforeQuantity": 0,
    "afterQuantity": 1,
    "beforeStatus": "IN_PROGRESS",
    "afterStatus": "IN_PROGRESS",
    "beforeProgress": 0,
    "afterProgress": 0,
    "seq": 1,
    "replayed": False,
}
UPDATED: Final = {**QUEUED, "requestedQuantity": 1, **CHANGE}
UNBIND: Final = {
    "workOrderId": ORDER,
    "type": "input",
    "quantity": -1,
    "logContext": {"relatedBarcode": "SN0001", "barcodeOperation": "UNBIND_PROCESS"},
}
COMPLETED_JOB: Final = {
    "jobId": JOB,
    "workOrderId": ORDER,
    "state": "completed",
    "type": "input",
    "quantity": 1,
    "logContext": {"relatedBarcode": "SN0001"},
    "requestId": "scan-17",
    "attempts": 1,
    "receivedAt": AT,
    "finishedAt": AT,
    "deadLetter": False,
    "error": None,
    "result": {"jobId": JOB, **CHANGE},
}
RETRIED_JOB: Final = {
    **COMPLETED_JOB,
    "state": "waiting",
    "attempts": 0,
    "finishedAt": None,
    "result": None,
}
LOG_ENTRY: Final = {
    "_id": JOB,
    "workOrderId": ORDER,
    "workOrderNo": "DEMO-0001",
    "materialId": None,
    "materialCode": "1.01.001",
    "materialName": "温控器主板",
    "productionLineId": None,
    "productionLineName": "SMT一线",
    "changeType": "input",
    "changeQuantity": 1,
    **{name: value for name, value in CHANGE.items() if name not in ("quantity", "replayed")},
    "relatedBarcode": "SN0001",
    "barcodeOperation": "OTHER",
    "processStepId": None,
    "processName": None,
    "processCode": None,
    "operatorId": "SYSTEM",
    "operatorName": None,
    "operateTime": AT,
    "reason": "投入数量增加",
    "remark": None,
    "ipAddress": None,
    "userAgent": None,
    "isAutomatic": True,
    "source": "SYSTEM",
    "createdAt": AT,
    "updatedAt": AT,
}
STORED_ORDER: Final = {
    "id": ORDER,
    "workOrderNo": "DEMO-0001",
    "materialCode": "1.01.001",
    "materialName": "温控器主板",
    "status": "IN_PROGRESS",
    "planQuantity": 100,
    "planProductionQuantity": 100,
    "inputQuantity": 1,
    "outputQuantity": 0,
    "scrapQuantity": 0,
    "progress": 0,
    "productionLineName": "SMT一线",
    "createAt": AT,
    "updateAt": AT,
}
FOUND_ORDER: Final = {
    "id": ORDER,
    "workOrderNo": "DEMO-0001",
    "materialName": "温控器主板",
    "status": "IN_PROGRESS",
    "planQuantity": 100,
    "inputQuantity": 1,
    "outputQuantity": 0,
    "progress": 0,
    "live": True,
    "paused": False,
}
ONE_PAGE: Final = {"total": 1, "page": 1, "pageSize": 20, "totalPages": 1}
