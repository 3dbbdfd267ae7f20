"""Maitre's command line: `cli up`, `cli seed`, `cli quota explain USER` and the rest. See docs/cli.md."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="cli",
    help="Maitre, the maître d' of Open WebUI: plans, quotas, a ledger and traces.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point that the package installs as `cli`."""
    app()


if __name__ == "__main__":
    main()
