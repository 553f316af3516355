"""Options that every command has, and how each ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from scripts.operate.screen import complaints
from scripts.operate.service import DEFAULT_URL, Failed, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED: Final = 1
"""Exit code: the service refused, or something is not as it should be."""
UNREACHABLE: Final = 3
"""Exit code: no service answered. (2 is for a command that can't be understood.)"""
CHECK_UNKNOWN: Final = 3
"""Exit code of `--check`, as monitors know it: it can't be said how the service is."""

Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Address of a node, whichever. Default: PLAN_URL, else PLAN_SERVER_HOST and"
        f" PLAN_SERVER_PORT, else {DEFAULT_URL}."
    ),
]
Token: TypeAlias = Annotated[
    str | None, typer.Option(help="API token; better by PLAN_TOKEN, which no process list shows.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Timeout: TypeAlias = Annotated[float, typer.Option(min=0.1, help="Seconds that a call may take.")]


@contextmanager
def told() -> Iterator[None]:
    """Turn what goes wrong into one line and an exit code."""
    try:
        yield
    except Failed as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from None
    except Unreachable as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(UNREACHABLE) from None
