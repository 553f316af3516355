"""What the command line says, in English and in Chinese."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("en", "zh")
_VARIABLES: Final = ("PLAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides, as for other programs."""

_CHINESE: Final[Mapping[str, str]] = {
    # tables
    "last heard": "最后消息",
    "slow, ms": "慢，毫秒",
    "oldest": "最早",
    "paused since": "暂停自",
    "by": "操作者",
    "why": "原因",
    "outcome": "结果",
    "of": "对象",
    "more": "其他",
    "all": "全部",
    "all orders are processed": "所有工单都在处理",
    "ALL ORDERS ARE PAUSED": "全部工单已暂停",
    "paused alone: {total}": "单独暂停：{total}",
    "actions: {total}, page {page} of {pages}": "操作：{total}，第 {page}/{pages} 页",
    "over for {seconds} s": "已结束 {seconds} 秒",
    "ALARMS": "告警",
    "service": "服务",
    "nodes": "节点",
    "work": "工作",
    "order": "工单",
    "actor": "actor",
    "last updates": "最近的更新",
    "deepest": "排队最多",
    "slowest": "最慢",
    "busiest": "最忙",
    "jobs": "任务",
    "orders": "工单",
    "locks": "占用",
    "log": "日志",
    "history": "历史",
    "owners before": "历任处理者",
    "settings": "设置",
    "not shown for want of room": "宽度不足，未显示",
    "none": "无",
    "yes": "是",
    "no": "否",
    # columns and facts
    "number": "工单号",
    "state": "状态",
    "status": "状态",
    "waiting": "等待",
    "oldest, ms": "最久 ms",
    "per s": "每秒",
    "took, ms": "耗时 ms",
    "handled": "已处理",
    "failed": "失败",
    "when": "时间",
    "what": "事件",
    "type": "类型",
    "quantity": "数量",
    "then": "之后",
    "seq": "序号",
    "code": "代码",
    "job": "任务",
    "change": "变更",
    "tries": "次数",
    "received": "收到",
    "error": "错误",
    "updates": "更新",
    "owner": "处理者",
    "lease left, ms": "租约剩余 ms",
    "paused": "已暂停",
    "node": "节点",
    "shard": "分片",
    "active": "处理中",
    "not logged yet": "未入日志",
    "role": "角色",
    "epoch": "任期",
    "address": "地址",
    "updates per s": "每秒更新",
    "took, ms (p50, p99)": "耗时 ms（p50、p99）",
    "at work": "处理中",
    "delayed": "延迟",
    "oldest wait, ms": "最久等待 ms",
    "live actors": "活动 actor",
    "paused orders": "已暂停工单",
    "plan": "计划",
    "input": "投入",
    "output": "产出",
    "progress, %": "进度 %",
    "material": "物料",
    "in memory": "在内存",
    "held for, ms": "已占用 ms",
    "applied": "已生效",
    "refused": "已拒绝",
    "p50, ms": "p50 ms",
    "p99, ms": "p99 ms",
    "live": "活动",
    "since": "起始",
    "level": "级别",
    "lines lost": "丢失行数",
    "setting": "设置",
    "value": "值",
    "from": "来源",
    "what it is": "说明",
    "check": "检查",
    "ok": "正常",
    "ms": "ms",
    "detail": "详情",
    # sentences
    "served": "正常处理",
    "NOT SERVED: {reason}": "未处理：{reason}",
    "for {seconds} s": "已 {seconds} 秒",
    "all orders": "全部工单",
    "order {order}": "工单 {order}",
    "{which}: paused": "{which}：已暂停",
    "{which}: resumed": "{which}：已恢复",
    "shards: {count}, version {version} of the map": "分片：{count}，分片表版本 {version}",
    "shards: {count}, {planned} to come": "分片：{count}，将改为 {planned}",
    "not all shards are served yet: see plan shards": "尚有分片未得到处理：见 plan shards",
    "job {job} waits again": "任务 {job} 已重新排队",
    "{count} failed jobs would wait again": "将有 {count} 个失败的任务重新排队",
    "{count} failed jobs would be forgotten": "将删除 {count} 个失败的任务",
    "{count} failed jobs are forgotten": "已删除 {count} 个失败的任务",
    "logContext": "上下文",
    "result": "结果",
    "tries that failed": "失败的尝试",
    "{count} jobs wait again": "{count} 个任务已重新排队",
    "job {job}: taken back": "任务 {job}：已撤回",
    "job {job}: forgotten": "任务 {job}：已删除",
    "forgotten: what finished more than {hours} h ago": "已清理 {hours} 小时前完成的任务",
    "{state} jobs: {total}, page {page} of {pages}": "{state} 任务：{total}，第 {page}/{pages} 页",
    "{passed} of {all} checks passed": "{all} 项检查中 {passed} 项通过",
    "no settings of the service: {names}": "不是本服务的设置：{names}",
    "there are more: say more of the number": "还有更多：请输入更多字符",
    "not everything was searched: only the newest entries of the log": "未能查找全部："
    "只查了日志中最新的条目",
    "Pause ALL orders? What arrives will wait, durably.": "暂停全部工单？到达的更新会持久等待。",
    "name an order, or give --all to pause all orders": "请指定工单，或用 --all 暂停全部工单",
    "{operation} of order {order}?": "对工单 {order} 执行 {operation}？",
    "order {order}: {operation}, {before} → {after}": "工单 {order}："
    "{operation}，{before} → {after}",
    "give an order or --all, not both": "工单与 --all 只能给一个",
    "OK": "正常",
    "WARNING": "警告",
    "CRITICAL": "严重",
    "UNKNOWN": "未知",
}
COMMANDS: Final[Mapping[str, str]] = {
    "plan": "从终端照看工单服务。\n\n"
    "退出码：0 正常；1 被拒绝或不正常；2 命令无法理解；3 没有应答。",
    "status": "有什么不正常、谁是处理者、更新是否得到处理、有多少在等待。\n\n"
    "更新未得到处理时退出码为 1。"
    "--check 输出一行，供监控使用：0 正常，1 警告，2 严重，3 未知。",
    "hot": "显示突出的工单：排队最多、最慢、最忙。",
    "show": "显示一个工单：数量、actor、最近的更新。",
    "search": "在存储中查找工单；不带文字时列出最新的。",
    "jobs": "列出某一状态的任务，默认是失败的。",
    "job": "显示一个任务：内容、每次失败的尝试、结果。",
    "events": "实时显示更新、拒绝、暂停和处理者变更，直到 Ctrl-C。",
    "nodes": "显示各节点和历任处理者。",
    "shards": "显示各分片：由谁处理、有多少在等待、处理了多少。",
    "reshard": "在服务运行中把工单分成另一数目的分片；需要 SHARDS=stored。\n\n"
    "可重复执行：中断后未完成的部分由各节点完成。",
    "locks": "列出活动 actor 占用的工单，最久的在前。",
    "history": "显示最近几分钟处理了多少、用了多久。",
    "log-level": "显示或更改一个节点的日志级别，直到它下次启动。",
    "paused": "列出已暂停的内容：等待数、起始时间、操作者、原因。",
    "audit": "列出操作记录，最近的在前：谁、何时、为何、涉及什么。",
    "pause": "停止处理一个工单或全部工单的更新；到达的更新会持久等待。",
    "resume": "恢复处理更新。",
    "retry": "让一个或多个失败的任务重新排队，排在其他任务之后。",
    "operate": "开始、暂停、恢复、取消或完成一个工单，更改其计划数量，记录报废，或创建补单。",
    "remove": "撤回一个等待中的任务，或删除一个或多个失败的任务。",
    "clean": "清理较早完成的任务，不影响等待中的。",
    "watch": "反复显示状态和突出的工单，直到 Ctrl-C；--json 时每次一行。",
    "smoke": "检查运行中的服务：健康、每个可读的页面，以及按需的一次更新和撤销。",
    "config": "在此启动的节点会有哪些设置。",
    "check": "列出全部设置及其来源，遮盖密码；指出每个错误。",
}
"""What each command does, by its name, in Chinese; in English its docstring says it."""


class _Chosen:
    language: str | None = None


def choose(language: str | None) -> None:
    """Speak `language` from now on, en or zh; None leaves it to the environment."""
    _Chosen.language = language


def language() -> str:
    """Return the language to speak: as chosen, else that of the environment's locale."""
    if _Chosen.language is not None:
        return _Chosen.language
    said = next(filter(None, map(os.environ.get, _VARIABLES)), "")
    return "zh" if said.lower().startswith("zh") else "en"


def say(text: str, **values: object) -> str:
    """Return `text`, which is English, in the language that is spoken, `values` filled in."""
    spoken = _CHINESE.get(text, text) if language() == "zh" else text
    return spoken.format(**values) if values else spoken


def has_chinese(text: str) -> bool:
    """Return whether a text can be said in Chinese."""
    return text in _CHINESE
