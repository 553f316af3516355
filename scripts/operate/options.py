"""Options that every command has, and how each ends."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from scripts.operate.screen import as_json, complaints, console
from scripts.operate.service import DEFAULT_URL, Failed, Unreachable, service_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

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


@dataclass(frozen=True, slots=True)
class Shown:
    """What a command found: for programs, and as people see it, one view below the other."""

    found: object
    views: tuple[RenderableType, ...]
    code: int = 0
    """Exit code."""


def asking(ask: Callable[..., Shown]) -> Callable[..., None]:
    """Make a command of what asks a `ServiceAt`: it takes the options that every one has, too."""

    def run(*, url: Url, token: Token, timeout: Timeout, as_text: Json, **chosen: Any) -> None:  # noqa: ANN401
        with told():
            shown = ask(service_at(url, token, timeout), **chosen)
        if as_text:
            as_json(shown.found)
        else:
            for view in shown.views:
                console.print(view, markup=False)
        if shown.code:
            raise typer.Exit(shown.code)

    _, *own = inspect.signature(ask, eval_str=True).parameters.values()
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind, default in (
            ("url", Url, None),
            ("token", Token, None),
            ("timeout", Timeout, 30.0),
            ("as_text", Json, False),
        )
    ]
    run.__name__, run.__doc__, run.__module__ = ask.__name__, ask.__doc__, ask.__module__
    run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*own, *common)}
    return run
