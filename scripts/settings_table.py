"""Print the table of settings, or keep the docs' copies of it up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from config.settings.reference import settings_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEGIN: Final = "<!-- settings:begin -->"
_END: Final = "<!-- settings:end -->"
_EXAMPLE: Final = """
examples:
  python -m scripts.settings_table
  python -m scripts.settings_table --write docs/settings.md docs/settings.zh-CN.md
  python -m scripts.settings_table --check docs/settings.md docs/settings.zh-CN.md
"""


def table(language: str) -> str:
    """Return the Markdown table in `language`, en or zh."""
    chinese = language == "zh"
    rows = [
        "| 环境变量 | 默认值 | 取值 | 说明 |"
        if chinese
        else "| variable | default | allowed | what it is |"
    ]
    rows.append("|---|---|---|---|")
    for setting in settings_reference():
        allowed = setting.allowed_zh if chinese else setting.allowed
        meaning = setting.description_zh if chinese else setting.description
        default = f"`{setting.default}`" if setting.default else ""
        cells = [f"`{setting.name}`", default, allowed, meaning]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_table(text: str, language: str) -> str:
    """Return `text` with the table between its markers; raise ValueError without them."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"has no lines {_BEGIN} and {_END} to put the table between")
    return f"{before}{begin}\n{table(language)}\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status, 1 when a checked file is out of date."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.settings_table",
        description=f"{__doc__} Files with 'zh' in their name get it in Chinese.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--write",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="put it between the markers of each file",
    )
    action.add_argument(
        "--check",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="exit with 1 if a file's table differs",
    )
    parser.add_argument(
        "--lang", choices=("en", "zh"), default="en", help="language to print in (default: en)"
    )
    options = parser.parse_args(arguments)
    if not (options.write or options.check):
        print(table(options.lang))
        return 0
    try:
        stale = [
            path
            for path in options.write or options.check
            if not _keep(path, write=bool(options.write))
        ]
    except (OSError, ValueError) as error:
        print(f"settings_table: {error}", file=sys.stderr)
        return 2
    return 1 if stale else 0


def _keep(path: Path, *, write: bool) -> bool:
    text = path.read_text(encoding="utf-8")
    try:
        wanted = with_table(text, "zh" if "zh" in path.name.lower() else "en")
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if text == wanted:
        return True
    if write:
        path.write_text(wanted, encoding="utf-8")
        print(f"{path}: table written")
        return True
    print(f"{path}: the table of settings is out of date; run with --write", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main())
