"""What each alarm says, and what to do about it, in plain words; and where to look.

The rules in `config/deploy/prometheus/alerts.yml` watch the same; `docs/operating.md` says more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from web.texts import Language, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity = Literal["critical", "warning"]
Show = Literal["node", "order", "actors", "jobs"]

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_UNITS: Final = {Language.CHINESE: ("秒", "分", "小时"), Language.ENGLISH: ("s", "min", "h")}


@dataclass(frozen=True, slots=True)
class AlarmText:
    """An alarm's words, with `str.format` fields, and what the console shows beside it."""

    severity: Severity
    show: Show | None
    message: Text
    advice: Text


ALARMS: Final[Mapping[str, AlarmText]] = {
    "STORE_DOWN": AlarmText(
        "critical",
        "node",
        Text(
            "{server} 已 {span} 无应答；更新在等待；数据不会丢失",
            "{server} has not answered for {span}; updates wait; nothing is lost",
        ),
        Text(
            "检查 {server} 及其网络；恢复后服务自动继续",
            "Look at {server} and the network to it; the service goes on by itself",
        ),
    ),
    "NO_OWNER": AlarmText(
        "critical",
        "node",
        Text(
            "没有节点处理更新；调用方收到 503；数据不会丢失",
            "No node serves updates; callers get 503; nothing is lost",
        ),
        Text(
            "稍候几秒；若持续，检查租约服务器和各节点：{reason}",
            "Wait some seconds; if it lasts, look at the lease's server and the nodes: {reason}",
        ),
    ),
    "UPDATES_WAIT": AlarmText(
        "critical",
        "order",
        Text(
            "工单 {no} 有更新已等待 {span}，共 {count} 个在等待",
            "An update of order {no} has waited for {span}; {count} wait there",
        ),
        Text(
            "查看该工单正在做什么；若各工单都在等待，检查存储",
            "See what that order is doing; if all orders wait, look at the store",
        ),
    ),
    "UPDATES_FAIL": AlarmText(
        "critical",
        "actors",
        Text(
            "最近 5 分钟有 {count} 个更新非正常失败；调用方已得知",
            "{count} updates failed in the last 5 minutes that should not; their callers know",
        ),
        Text(
            "查看日志中的 update_failed，并检查存储和处理者变更",
            "Look for the failed updates in the log, at the store, and at changes of the owner",
        ),
    ),
    "LOG_REFUSES": AlarmText(
        "critical",
        "node",
        Text(
            "日志条目写不进日志集合（5 分钟内 {count} 次）；它们仍在工单文档中",
            "Log entries do not get into the log ({count} times in 5 minutes); their orders keep"
            " them",
        ),
        Text(
            "检查日志集合的校验规则、索引和磁盘",
            "Look at the validator, the indexes and the disk of the log's collection",
        ),
    ),
    "LEASE_DOWN": AlarmText(
        "warning",
        "node",
        Text(
            "租约服务器 {server} 已 {span} 无应答；处理者故障时无法接替",
            "The lease's server {server} has not answered for {span}; nobody could take over",
        ),
        Text("检查 {server} 及其网络", "Look at {server} and the network to it"),
    ),
    "PAUSED": AlarmText(
        "warning",
        "actors",
        Text(
            "全部处理已暂停；{count} 个更新在等待；数据不会丢失",
            "All processing is paused; {count} updates wait; nothing is lost",
        ),
        Text("处理完毕后请恢复", "Resume it once the reason is gone"),
    ),
    "ORDERS_PAUSED": AlarmText(
        "warning",
        "order",
        Text(
            "单独暂停的工单：{count} 个，其中有 {no}；其更新在等待",
            "Orders that are paused alone: {count}, {no} among them; their updates wait",
        ),
        Text("处理完毕后请逐一恢复", "Resume each once its reason is gone"),
    ),
    "REFUSED_FOR_ROOM": AlarmText(
        "warning",
        "actors",
        Text(
            "最近 5 分钟因等待过多拒绝了 {count} 次调用；均未生效，调用方会重试",
            "{count} calls were turned away for lack of room in 5 minutes; none was applied,"
            " callers come again",
        ),
        Text(
            "查看等待最多的工单；存储是否变慢？是否已暂停？",
            "See which orders wait most; is the store slow, is something paused?",
        ),
    ),
    "COMMITS_SLOW": AlarmText(
        "warning",
        "node",
        Text(
            "百分之一的提交超过 {span}；更新等待更久",
            "One commit in a hundred takes {span} or more; updates wait longer",
        ),
        Text("检查数据库的负载和磁盘", "Look at the database's load and disk"),
    ),
    "COMMITS_UNANSWERED": AlarmText(
        "warning",
        "node",
        Text(
            "5 分钟内有 {count} 次提交得不到应答而重发；不会重复生效",
            "{count} commits got no answer in 5 minutes and were sent again; none counts twice",
        ),
        Text("检查到数据库的网络", "Look at the network to the database"),
    ),
    "OUTBOXES_GROW": AlarmText(
        "warning",
        "node",
        Text(
            "{count} 条日志等待写入日志集合；API 中可见",
            "{count} entries wait to be copied to the log; the API shows them",
        ),
        Text("检查数据库的写入速度", "Look at how fast the database writes"),
    ),
    "DEAD_LETTERS": AlarmText(
        "warning",
        "jobs",
        Text(
            "有任务最终失败，共 {count} 个；无人在等待其答复",
            "Jobs have failed for good, {count} in all; nobody waits for their answer",
        ),
        Text(
            "查看原因，消除后重试，或确认后清理",
            "See why, retry them once the cause is gone, or forget them",
        ),
    ),
    "LOOP_LATE": AlarmText(
        "warning",
        "node",
        Text(
            "此节点的事件循环迟滞 {span}；该节点上一切变慢",
            "This node's event loop is late by {span}; everything on it is slow",
        ),
        Text("检查该机器的 CPU 和内存", "Look at the CPU and memory of that machine"),
    ),
    "OWNER_CHANGES": AlarmText(
        "warning",
        "node",
        Text(
            "15 分钟内处理者变更 {count} 次；每次都有数秒 503",
            "The owner changed {count} times in 15 minutes; each costs seconds of 503",
        ),
        Text(
            "检查租约服务器、网络和各节点的负载",
            "Look at the lease's server, the network and the load of the nodes",
        ),
    ),
    "FENCED": AlarmText(
        "warning",
        "node",
        Text(
            "一个较早的处理者被后来者挡下（{count} 次）；没有数据丢失",
            "An earlier owner was kept out by a later one ({count} times); nothing was lost",
        ),
        Text(
            "查明该节点为何停顿：冻结、迁移、时钟或网络",
            "Find out why that node stood still: frozen, moved, its clock or its network",
        ),
    ),
    "ACTORS_CRASH": AlarmText(
        "warning",
        "jobs",
        Text(
            "10 分钟内有工单 actor 崩溃 {count} 次并被替换；邮箱保留",
            "Orders' actors crashed {count} times in 10 minutes and were replaced; their mailboxes"
            " were kept",
        ),
        Text(
            "在日志中查找 actor_crashed 并上报",
            "Look for actor_crashed in the log, and report it",
        ),
    ),
}
"""In the order in which they are told: what is behind others comes first."""


def span_text(seconds: float, language: Language) -> str:
    """Write a span of time, such as 12 s or 3 min."""
    second, minute, hour = _UNITS[language]
    if seconds < 1:
        return f"{seconds:.2g} {second}"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} {second}"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} {minute}"
    return f"{seconds / _HOUR_S:.0f} {hour}"
