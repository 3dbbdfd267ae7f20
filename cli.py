"""Maitre's command line: `cli up`, `cli seed`, `cli quota explain USER` and the rest. See docs/cli.md."""

from __future__ import annotations

import sys

import typer

from commands import collections, importing, key, models, provider, quota, secrets
from commands.audit import audit
from commands.closing import close, open_again
from commands.credit import credit
from commands.deploy import deploy
from commands.destroy import destroy
from commands.dispatch import dispatch
from commands.doctor import doctor
from commands.down import down
from commands.index import index
from commands.init import init
from commands.logs import logs
from commands.output import one_sentence
from commands.query import query
from commands.queue import queue
from commands.render import render
from commands.restart import restart
from commands.rollback import rollback
from commands.seed import seed
from commands.status import status
from commands.suspend import suspend
from commands.traces import traces
from commands.up import up
from commands.usage import usage

#: Examples below each command's options in its help.
EXAMPLES = {
    "init": (
        "cli init",
        "cli init --house ~/my-house",
        "cli init --stack example.com --email you@example.com   (for a server, with Docker)",
    ),
    "up": ("cli up", "cli up --once   (the whole story in half a minute, then the house is down again)"),
    "down": ("cli down", "cli down --house ~/my-house"),
    "status": ("cli status", "cli status --json | jq .endpoints.open_webui.url"),
    "seed": ("cli seed --dry-run   (what would be done; changes nothing)", "cli seed"),
    "render": (
        "cli render   (which files the stack would have; writes nothing)",
        "cli render --diff   (what a deploy would change in them)",
        "cli render --out /tmp/stack && docker compose -f /tmp/stack/compose.yaml config -q",
    ),
    "usage": (
        "cli usage",
        "cli usage free@maitre.example --since 2h",
        "cli usage --id 8b1f0c…   (an answer's x-router-log-id)",
    ),
    "audit": ("cli audit", "cli audit --what key --since 7d", "cli audit free@maitre.example --json"),
    "queue": ("cli queue", "cli queue --watch", "cli queue --json"),
    "close": ('cli close "We are back at 9 o\'clock."',),
    "open_again": ("cli open",),
    "credit": ("cli credit pro@maitre.example 10", "cli credit pro@maitre.example --note refund -- -2.50"),
    "suspend": ("cli suspend free@maitre.example", "cli suspend free@maitre.example --undo"),
    "traces": ("cli traces", "cli traces free@maitre.example --limit 5 --json"),
    "index": (
        "cli index rules/ --collection handbook",
        "cli index 'docs/**/*.md' faq.pdf --collection handbook --no-wait",
        "cli index rules/ --collection handbook --prune   (removes documents whose files are gone)",
    ),
    "query": (
        'cli query "May I bring a dog?"',
        'cli query "May I bring a dog?" --answer --model assistants.general',
        'cli query "May I bring a dog?" --collection handbook --as free@maitre.example',
    ),
    "deploy": (
        "cli deploy --dry-run   (the plan and every command; runs nothing)",
        "cli deploy --yes",
        "cli deploy --only gateway --only pipelines",
    ),
    "rollback": ("cli rollback", "cli rollback --list", "cli rollback 2026-11-21T20-40-05"),
    "destroy": ("cli destroy", "cli destroy --volumes   (the data too)"),
    "logs": ("cli logs gateway -f", "cli logs --since 1h --tail 20"),
    "restart": ("cli restart gateway pipelines",),
    "doctor": ("cli doctor", "cli doctor --production", "cli doctor --json"),
}

app = typer.Typer(
    name="cli",
    help="Maitre, the maître d' of Open WebUI: plans, quotas, a ledger and traces.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
COMMANDS = (
    init, up, down, status, seed, index, query, usage, audit, queue, close, open_again, credit, suspend, traces, doctor,
    render, deploy, rollback, restart, logs, destroy
)  # fmt: skip
for command in COMMANDS:
    name = command.__name__.removesuffix("_again")
    app.command(name, epilog="\n\n".join(("[bold]Examples[/]", *EXAMPLES[command.__name__])))(command)
app.add_typer(quota.app, name="quota")
app.add_typer(key.app, name="key")
app.add_typer(provider.app, name="provider")
app.add_typer(secrets.app, name="secrets")
app.add_typer(collections.app, name="collections")
app.add_typer(models.app, name="models")
app.add_typer(importing.app, name="import")


def main() -> None:
    """The entry point that the package installs as `cli`."""
    try:
        with one_sentence("--verbose" in sys.argv):
            dispatch(sys.argv[1:])
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    app()


if __name__ == "__main__":
    main()
