"""Names of collections and fields in the shared database."""

from __future__ import annotations

from typing import Final

ORDERS: Final = "production_plan_work_orders"
LOGS: Final = "work_order_quantity_logs"
ARCHIVE: Final = "work_order_quantity_logs_archive"
MATERIALS: Final = "k3_bd_materials"
REFUSALS: Final = "plan_server_refusals"
NODE_STATE: Final = "plan_server_state"
INBOX: Final = "plan_server_inbox"
RECORDS: Final = "plan_server_records"
ROLLUPS: Final = "plan_server_rollups"
OURS: Final = "planServer"
OPERATIONS: Final = "plan_server_operations"
PLAN: Final = "planProductionQuantity"
LINE: Final = "productionLineId"
PRODUCTION_ORDER: Final = "productionOrderId"
PLANNED: Final = "planQuantity"
SCRAPPED: Final = "scrapProductBarcodeList"
RESTORED: Final = f"{OURS}Restored"
"""Of an entry that came back from the archive: when."""
BATCH: Final = f"{OURS}Batch"
"""Of an entry that was moved: the number of the batch that brought it where it is."""
STORED_SEQ: Final = f"{OURS}.seq"
LOG_ID_FIELDS: Final = ("_id", "workOrderId", "materialId", "processStepId")
"""What is an ObjectId in the log; `productionLineId` is text there, as callers query it."""
ORDER_FIELDS: Final = (
    "workOrderNo",
    "materialId",
    "materialNumber",
    "materialName",
    "productionLineId",
    "lineName",
    "status",
    "planProductionQuantity",
    "inputQuantity",
    "outputQuantity",
    "scrapQuantity",
    "progress",
    PLANNED,
    f"{SCRAPPED}.barcode",
    OURS,
)
"""What `load` reads of an order."""
GUARDED: Final = (
    "inputQuantity",
    "outputQuantity",
    "status",
    "planProductionQuantity",
    "scrapQuantity",
)
"""What the rules read, so what a commit compares."""
