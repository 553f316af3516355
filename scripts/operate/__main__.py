"""Look after the work-order service from a terminal.

Exit codes: 0 well, 1 refused or not well, 2 a command that can't be understood, 3 no answer.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from scripts.operate import acting, checking, looking, sharding, streaming
from scripts.operate.screen import speak_any_locale
from scripts.operate.words import COMMANDS, choose, language
from web import SERVICE, VERSION


def _in_chinese(command: Any) -> None:  # noqa: ANN401 -- either kind of command
    command.help = COMMANDS.get(command.name or "", command.help)
    command.short_help = None


class _Command(TyperCommand):
    """One whose help is in the language that is spoken."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- click's own
        if language() == "zh":
            _in_chinese(self)
        super().format_help(ctx, formatter)


class _Commands(TyperGroup):
    """The same of several, each with a line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- click's own
        if language() == "zh":
            for each in (self, *self.commands.values()):
                _in_chinese(each)
        super().format_help(ctx, formatter)


app = typer.Typer(
    name="plan",
    cls=_Commands,
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    looking.status,
    looking.hot,
    looking.show,
    looking.search,
    looking.jobs,
    looking.job,
    looking.nodes,
    looking.locks,
    looking.history,
    streaming.events,
    streaming.watch,
    looking.paused,
    looking.audit,
    acting.pause,
    acting.resume,
    acting.retry,
    acting.remove,
    acting.clean,
    acting.log_level,
    acting.operate,
    sharding.shards,
    sharding.reshard,
    checking.smoke,
):
    app.command(cls=_Command)(command)
app.add_typer(checking.settings, name="config", cls=_Commands)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 -- typer calls it so
    if wanted:
        typer.echo(f"{SERVICE} {VERSION}")
        raise typer.Exit


def _choose(lang: str | None) -> str | None:
    choose(lang)
    return lang


@app.callback()
def every_command(
    lang: Annotated[  # noqa: ARG001 -- chosen as it is read, before any help is shown
        Literal["en", "zh"] | None,
        typer.Option(
            is_eager=True, callback=_choose, help="Language; by LANG and its like unless given."
        ),
    ] = None,
    *,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_tell_version, help="Say which release this is."
        ),
    ] = False,
) -> None:
    """Take what goes before a command."""
    speak_any_locale()


every_command.__doc__ = __doc__

if __name__ == "__main__":
    app(prog_name="plan")
