"""Every setting: its environment variable, default, bounds, and what it is in two languages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from config.settings import checks as _checks
from config.settings.fields import lower, number, setting
from config.settings.surroundings import Surroundings

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
LogFormat: TypeAlias = Literal["auto", "json", "console"]
GuardMode: TypeAlias = Annotated[Literal["off", "watch", "enforce"], BeforeValidator(lower)]


class Variables(Surroundings):
    """All that can be set, as it was set. Times are in seconds, sizes in bytes."""

    actor_idle_s: float = number(
        300.0,
        0.1,
        604_800,
        "An order's actor without work for this long is removed from memory.",
        "工单 actor 空闲这么久后移出内存。",
    )
    max_actors: int = number(
        100_000,
        1,
        10_000_000,
        "Order actors in memory at most; beyond it the least recently used go first.",
        "内存中工单 actor 的上限；超出时最久未用的先移出。",
    )
    mailbox_size: int = number(
        1000,
        1,
        1_000_000,
        "Updates that may wait for one order; further ones get 429.",
        "单个工单可等待的更新数；再多则答复 429。",
    )
    max_waiting: int = number(
        20_000,
        1,
        10_000_000,
        "Updates that may wait in all; further ones get 429.",
        "全部工单可等待的更新总数；再多则答复 429。",
    )
    inbox_size: int = number(
        20_000,
        1,
        1_000_000,
        "Updates that may wait in the store's inbox (paused, or not waited for); further ones"
        " get 429.",
        "存储收件箱中可等待的更新数（处理暂停，或调用方不等待结果）；再多则答复 429。",
    )
    job_attempts: int = number(
        3,
        1,
        100,
        "How often such an update is tried that fails by its own fault.",
        "这类更新因自身原因失败时，最多尝试的次数。",
    )
    job_backoff_s: float = number(
        2.0,
        0.01,
        3600,
        "Pause before its second try; doubled before each further one.",
        "第二次尝试前的间隔；之后每次加倍。",
    )
    duplicate_scans: Annotated[Literal["answer", "refuse"], BeforeValidator(lower)] = setting(
        "answer",
        "What a first-step scan is told that is counted already and came without a key: answer is"
        " a success with quantity 0 and the first entry's jobId; refuse is 409, as with a key.",
        "首道工序扫码已计数、且未带请求标识时的答复：answer 表示成功，数量为 0，jobId 为首次记录；"
        "refuse 表示 409，与带请求标识时相同。",
    )
    output_once: GuardMode = setting(
        "watch",
        "Whether the output of a barcode counts once in its order, until a decrease of that output"
        " follows: watch counts it and tells of it (/api/guards, an alarm), enforce answers as a"
        " first-step scan that is counted already.",
        "同一工单中一个条码的产出是否只计一次，直到其产出被扣减："
        "watch 照常计数并提示（/api/guards、告警），enforce 按首道工序重复扫码答复。",
    )
    unbind_once: GuardMode = setting(
        "watch",
        "Whether a decrease with UNBIND_PROCESS or INITIALIZE_PRODUCT and a barcode takes back only"
        " what is open for that barcode: watch takes all and tells of it, enforce cuts it.",
        "带条码的 UNBIND_PROCESS 或 INITIALIZE_PRODUCT 扣减是否只撤回该条码尚未撤回的数量："
        "watch 照常扣减并提示，enforce 只扣减该数量。",
    )
    over_input: GuardMode = setting(
        "watch",
        "Whether no more input counts once input less scrap has reached planProductionQuantity:"
        " watch counts it and tells of it, enforce answers 409 OVER_PLAN.",
        "投入减报废已达 planProductionQuantity 时是否不再计投入：watch 照常计数并提示，"
        "enforce 答复 409 OVER_PLAN。",
    )
    start_next_order: Literal["0", "1"] = setting(
        "0",
        "1 starts, as an order is completed, the PENDING order of the same line and material that"
        " has the earliest planStartTime.",
        "1 表示工单完成时自动开始同一产线、同一物料中 planStartTime 最早的 PENDING 工单。",
    )
    max_batch: int = number(
        1000,
        1,
        100_000,
        "Items that one batch call may carry.",
        "一次批量调用的条目上限。",
    )
    request_timeout_s: float = number(
        25.0,
        0.1,
        300,
        "A call is answered by then, if only with 504; keep it below the callers'"
        " own time-out (30).",
        "最迟此时给出答复，哪怕是 504；应小于调用方自己的超时（30）。",
    )
    time_zone: Annotated[str, AfterValidator(_checks.check_time_zone)] | None = setting(
        None,
        "Zone of the dates in query strings that name none, such as Asia/Shanghai; the same for"
        " all nodes.",
        "查询参数中未注明时区的日期所用的时区，如 Asia/Shanghai；各节点须相同。",
        shown="that of the machine",
    )
    shifts: Annotated[str, AfterValidator(_checks.check_shifts)] = setting(
        "08:00,20:00",
        "When shifts begin, for statistics, in `TIME_ZONE`; the last one goes on until the first"
        " of the next day. The same for all nodes.",
        "统计所用各班次的开始时间（按 `TIME_ZONE`）；最后一班持续到次日的第一班。各节点须相同。",
    )
    log_retention_days: int | None = setting(
        None,
        "Days after which the log entries of an order that is COMPLETED or CANCELLED go to the"
        " archive, counted from its newest entry; unset: they stay. The same for all nodes.",
        "已完成或已取消的工单，其最新一条日志满此天数后，日志移入归档；不设则一直保留。各节点须相同。",
        ge=1,
        le=36_500,
    )
    body_timeout_s: float = number(
        10.0,
        0.1,
        300,
        "A request's body must have arrived by then.",
        "请求体须在此时间内到齐。",
    )
    max_body_bytes: int = number(
        1_048_576,
        1024,
        1_073_741_824,
        "Bytes of a request's body at most; larger ones get 413.",
        "请求体字节数上限；超出则答复 413。",
    )
    shutdown_s: float = number(
        30.0,
        0.1,
        3600,
        "Time to finish what is queued after SIGTERM.",
        "收到 SIGTERM 后完成排队工作的时间。",
    )
    commit_batch: int = number(
        200,
        1,
        10_000,
        "Orders that one commit to the store may carry.",
        "一次提交可包含的工单数。",
    )
    commits_in_flight: int = number(
        3,
        1,
        64,
        "Commits that may be under way at the same time.",
        "可同时进行的提交数。",
    )
    log_level: Annotated[LogLevel, BeforeValidator(lower)] = setting(
        "info",
        "Least severe level to log.",
        "记录日志的最低级别。",
    )
    log_format: Annotated[LogFormat, BeforeValidator(lower)] = setting(
        "auto",
        "json: one object a line, for collectors; console: for people; auto: console where standard"
        " output is a terminal and LOG_FILE is unset, else json.",
        "json：每行一个对象，供采集；console：供人阅读；auto：标准输出是终端且未设置 LOG_FILE 时为"
        " console，否则为 json。",
    )

    access_log: Annotated[Literal["rest", "all"], BeforeValidator(lower)] = setting(
        "rest",
        "Which answered calls have a line (http_request): all; or the rest, without those whose one"
        " update was applied, as that update's line says who called.",
        "哪些已答复的调用记录一行（http_request）：all 为全部；rest 不含唯一的更新已生效的调用，"
        "该更新的那一行已写明调用方。",
    )
    log_file: Annotated[Path, AfterValidator(_checks.check_folder)] | None = setting(
        None,
        "File to log to, in place of standard output.",
        "写入日志的文件，代替标准输出。",
    )
    log_file_mb: int = number(
        100,
        1,
        100_000,
        "Megabytes after which LOG_FILE is put aside, as LOG_FILE.1.",
        "LOG_FILE 达到多少 MB 后改名为 LOG_FILE.1。",
    )
    log_files: int = number(
        5,
        1,
        1000,
        "Files put aside that are kept.",
        "保留多少个改名后的文件。",
    )
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_checks.check_node_url)] | None = (
        setting(
            None,
            "OpenTelemetry collector that spans are sent to, such as http://127.0.0.1:4318; needs"
            " the packages of requirements-otel.lock. Other OTEL_ variables are OpenTelemetry's"
            " own.",
            "接收跨度（span）的 OpenTelemetry 采集器，如 http://127.0.0.1:4318；需要"
            " requirements-otel.lock 中的包。其余 OTEL_ 变量由 OpenTelemetry 自身读取。",
        )
    )
