"""`python -m scripts.reconcile`."""

from __future__ import annotations

import typer

from scripts.reconcile.command import reconcile

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(reconcile)

if __name__ == "__main__":
    app(prog_name="python -m scripts.reconcile")
