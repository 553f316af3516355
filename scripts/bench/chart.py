"""Draw what `throughput` and `growth` wrote with `--out` as a bar chart (SVG), in both languages.

A bar is the median of its rounds, the line across its end their range. Bars of one group share a
scale. Writes NAME.svg and NAME.zh-CN.svg, NAME being the file's.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import orjson

from scripts.bench.report import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PICTURES: Final = Path(__file__).parents[2] / "docs" / "pictures"
_WIDTH: Final = 880
_LEFT: Final = 300
_RIGHT: Final = 110
_ROW: Final = 22
_BAR: Final = 14
_GAP: Final = 34
_TOP: Final = 20
_CHINESE: Final = {
    "updates or reads per second": "每秒更新或读取次数",
    "plain": "朴素实现",
    "replaced": "被替代的设计",
    "direct": "直接批量写入",
    "empty": "空处理函数",
    "service": "本服务",
    "pymongo": "本服务（pymongo）",
    "orders": "个工单",
    "order": "个工单",
    "zipf": "Zipf 分布",
    "each once": "各一次",
    "batches of": "每批",
    "keyed": "带幂等键",
    "repeated": "重复",
    "scans": "扫码查重",
    "reads": "读取",
    "connections": "个连接",
    "connection": "个连接",
    "live": "个活动 actor",
    "entries each": "条日志（每个工单）",
    "others' entries": "条其他工单的日志",
    ", ": "，",
}
"""Longer phrases that contain another one replace it first."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure: its median and range over the rounds."""

    label: str
    values: tuple[float, ...]
    ours: bool

    @property
    def middle(self) -> float:
        """Return the median."""
        return median(self.values)


def groups(measurements: Sequence[Mapping[str, Any]]) -> dict[str, list[Bar]]:
    """Return bars by title: a scenario's targets, or where there is one target, its scenarios."""
    several = len({each["target"] for each in measurements}) > 1
    names = ("title", "target") if several else ("target", "title")
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for each in measurements:
        group, label = (each[name] for name in names)
        found.setdefault(group, {}).setdefault(label, []).append(each)
    return {
        group: [
            Bar(
                label,
                tuple(each["load"]["per_second"] for each in some),
                ours=str(some[0]["target"]) == SUBJECT,
            )
            for label, some in bars.items()
        ]
        for group, bars in found.items()
    }


def in_chinese(text: str) -> str:
    """Translate the words of a title or label; names that are not known stay."""
    for english in sorted(_CHINESE, key=len, reverse=True):
        text = text.replace(english, _CHINESE[english])
    return text


def draw(of: Mapping[str, Sequence[Bar]], title: str) -> str:
    """Return the chart as SVG."""
    height = _TOP + sum(_GAP + _ROW * len(bars) for bars in of.values())
    size = f'width="{_WIDTH}" height="{height}"'
    font = 'font-family="system-ui, sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {font}>',
        f"  <title>{escape(title)}</title>",
        f'  <rect {size} fill="#fff"/>',
        _text(title, _WIDTH - 10, _TOP, 'text-anchor="end" font-size="12"'),
    ]
    top = _TOP
    for name, bars in of.items():
        parts.append(_text(name, 10, top + 20, 'font-weight="600"'))
        top += _GAP
        most = max(max(bar.values) for bar in bars) or 1.0
        for bar in bars:
            parts += _bar(bar, top, (_WIDTH - _LEFT - _RIGHT) / most)
            top += _ROW
    return "\n".join([*parts, "</svg>", ""])


def _bar(bar: Bar, top: int, scale: float) -> list[str]:
    low, middle, high = (
        round(_LEFT + scale * value, 1) for value in (min(bar.values), bar.middle, max(bar.values))
    )
    line, colour = top + _BAR // 2, "#2b6cb0" if bar.ours else "#a0aec0"
    size = f'width="{middle - _LEFT:.1f}" height="{_BAR}"'
    return [
        _text(bar.label, _LEFT - 10, top + 12, 'text-anchor="end"'),
        f'  <rect x="{_LEFT}" y="{top}" {size} fill="{colour}"/>',
        f'  <path d="M{low} {line}H{high}" stroke="#1a202c"/>',
        _text(f"{bar.middle:,.0f}", high + 8, top + 12),
    ]


def _text(words: str, x: float, y: float, look: str = 'text-anchor="start"') -> str:
    return f'  <text x="{x:.1f}" y="{y}" {look} fill="#1a202c">{escape(words)}</text>'


def main(argv: Sequence[str]) -> int:
    """Draw each file given."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench chart",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("figures", type=Path, nargs="+", help="files that --out wrote (NAME.json)")
    parser.add_argument("--folder", type=Path, default=_PICTURES, help="where to (docs/pictures)")
    args = parser.parse_args(argv)
    title = "updates or reads per second"
    for path in args.figures:
        found = groups(orjson.loads(path.read_bytes())["measurements"])
        translated = {
            in_chinese(name): [Bar(in_chinese(bar.label), bar.values, bar.ours) for bar in bars]
            for name, bars in found.items()
        }
        for end, of, said in (
            (".svg", found, title),
            (".zh-CN.svg", translated, in_chinese(title)),
        ):
            (args.folder / f"{path.stem}{end}").write_text(draw(of, said), encoding="utf-8")
    return 0
