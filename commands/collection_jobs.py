"""`cli collections jobs`, `cancel` and `import`: what workers do."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from commands.collection_view import jobs_table
from commands.index import PATIENCE
from commands.index_view import told
from commands.knowledge import NameArgument, knowing, noted, operators
from commands.output import HouseOption, JsonOption, VerboseOption, console, one_sentence, print_json
from maitre.errors import HouseError


def jobs(
    name: NameArgument, as_json: JsonOption = False, house: HouseOption = None, verbose: VerboseOption = False
) -> None:
    """Show what is being done with a collection's documents, and what could not be done."""
    with one_sentence(verbose):
        service = operators(knowing(house))
        documents = [one for status in ("working", "waiting", "failed") for one in service.documents(name, status)]
        found = [{**service.get("jobs", one["job"]), "key": one["key"]} for one in documents if one["job"]]
    if as_json:
        print_json(found)
    elif found:
        console.print(jobs_table(found))
    else:
        console.print(f"Nothing is being done with {name}, and nothing has failed.", markup=False, highlight=False)


def cancel(
    job: Annotated[list[str], typer.Argument(metavar="JOB", help="As `cli collections jobs` shows them.")],
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Put an end to jobs. A version of the document that answers goes on answering."""
    with one_sentence(verbose):
        checked = knowing(house)
        service = operators(checked)
        for id in job:
            service.post("jobs", id, "cancel")
        noted(checked, "collection.cancel", ", ".join(job))
    console.print(f"{told(len(job), 'job')} cancelled.", highlight=False)


def import_table(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="Its `table_name`, which PostgreSQL has as data_TABLE.")
    ],
    collection: Annotated[str, typer.Option("--collection", metavar="NAME", help="Where its chunks go.")],
    dsn: Annotated[
        str | None,
        typer.Option("--dsn", metavar="URL", help="The database that it is in; without it, it is asked for."),
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is done.")] = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Take over a table of llama-index-vector-stores-postgres, embeddings and all.

    The table is only read; the same command again brings what is missing or has come since, and nothing twice. A URL
    with a password does not belong in the shell's history: it is asked for, or read from a pipe.
    """
    from provisioning.indexing import Outcome, wait

    with one_sentence(verbose):
        checked = knowing(house)
        service = operators(checked)
        body = {"dsn": dsn or _asked(), "table": table}
        begun = service.post("collections", collection, "import", body=body)
        noted(checked, "collection.import", collection, table=table)
        done = Outcome(table, begun["status"], job=begun["job"])
        if no_wait:
            console.print(f"The import is job {done.job}.", markup=False, highlight=False)
            return
        if not wait(service, [done], PATIENCE, lambda _: None):
            raise HouseError("The import does not move; `cli status` shows whether the worker is up.")
        if done.failed:
            raise HouseError(done.fault or "The import was cancelled.")
    console.print(f"{told(done.done, 'chunk')} imported into {collection}.", markup=False, highlight=False)


def _asked() -> str:
    """The database's URL, from a hidden prompt or standard input. Raises HouseError when there is none."""
    prompted = sys.stdin.isatty()
    dsn = str(typer.prompt("URL of the database", hide_input=True) if prompted else sys.stdin.readline()).strip()
    if not dsn:
        raise HouseError("Say which database the table is in: --dsn URL, or the URL on standard input.")
    return dsn
