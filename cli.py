"""Maitre's command line: `cli up`, `cli seed`, `cli quota explain USER` and the rest. See docs/cli.md."""

from __future__ import annotations

import typer

from commands import quota
from commands.doctor import doctor
from commands.down import down
from commands.init import init
from commands.seed import seed
from commands.status import status
from commands.traces import traces
from commands.up import up
from commands.usage import usage

app = typer.Typer(
    name="cli",
    help="Maitre, the maître d' of Open WebUI: plans, quotas, a ledger and traces.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for command in (init, up, down, status, seed, usage, traces, doctor):
    app.command()(command)
app.add_typer(quota.app, name="quota")


def main() -> None:
    """The entry point that the package installs as `cli`."""
    app()


if __name__ == "__main__":
    main()
