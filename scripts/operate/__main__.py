"""Look after the work-order service from a terminal.

Exit codes: 0 well, 1 refused or not well, 2 a command that can't be understood, 3 no answer.
"""

from __future__ import annotations

import typer

from scripts.operate import acting, checking, looking

app = typer.Typer(
    name="plan",
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    looking.status,
    looking.hot,
    looking.show,
    looking.jobs,
    looking.paused,
    looking.audit,
    acting.pause,
    acting.resume,
    acting.retry,
    acting.operate,
    looking.watch,
    checking.smoke,
):
    app.command()(command)
app.add_typer(checking.settings, name="config")

if __name__ == "__main__":
    app(prog_name="plan")
