"""`cli collections`: the house's knowledge listed, made, changed and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.collection_view import document_table, jobs_table, summary, table
from commands.index_view import told
from commands.knowledge import NameArgument, knowing, noted, operators, user_id_of
from commands.output import HouseOption, JsonOption, VerboseOption, console, one_sentence, print_json
from maitre.errors import HouseError

if TYPE_CHECKING:
    from provisioning.rag_http import RagService

app = typer.Typer(help="Collections of documents: the house's knowledge.", no_args_is_help=True)


def _examples(*lines: str) -> str:
    return "\n\n".join(("[bold]Examples[/]" if len(lines) > 1 else "[bold]Example[/]", *lines))


YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
UsersOption = Annotated[
    list[str] | None, typer.Option("--user", metavar="E-MAIL", help="A user, by e-mail or id; may be repeated.")
]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--group", metavar="NAME", help="A group of Open WebUI; may be repeated.")
]
AssistantsOption = Annotated[
    list[str] | None, typer.Option("--assistant", metavar="SLUG", help="An assistant's guests; may be repeated.")
]
EveryoneOption = Annotated[bool, typer.Option("--everyone", help="Everybody in the house.")]


@app.callback()
def collections() -> None:
    """Collections of documents: the house's knowledge."""


@app.command(name="list", epilog=_examples("cli collections list", "cli collections list --json"))
def every(as_json: JsonOption = False, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Show every collection with its size and readers."""
    with one_sentence(verbose):
        found = list(operators(knowing(house)).collections().values())
    if as_json:
        print_json(found)
    elif found:
        console.print(table(found))
    else:
        console.print("No collections yet. `cli collections create` makes one.")


@app.command(epilog=_examples("cli collections show handbook", "cli collections show handbook --status failed"))
def show(
    name: NameArgument,
    status: Annotated[
        str, typer.Option("--status", metavar="STATUS", help="Only: waiting, working, ready, failed, cancelled.")
    ] = "",
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show one collection and its documents, each with its status."""
    with one_sentence(verbose):
        checked = knowing(house)
        service = operators(checked)
        found = service.get("collections", name)
        documents = list(service.documents(name, status))
    if as_json:
        print_json({**found, "documents": documents})
        return
    console.print(summary(found), markup=False, highlight=False)
    if documents:
        console.print(document_table(documents, checked))


@app.command(
    epilog=_examples(
        "cli collections create handbook",
        'cli collections create handbook --title "House rules" --language english --everyone',
        "cli collections create offers --owner pro@maitre.example --group sales --index exact",
    )
)
def create(
    name: NameArgument,
    title: Annotated[str, typer.Option("--title", help="What people read. Default: its name.")] = "",
    description: Annotated[str, typer.Option("--description", help="What is in it.")] = "",
    language: Annotated[
        str, typer.Option("--language", help="Of its documents: english, russian, ukrainian, …")
    ] = "simple",
    index: Annotated[str, typer.Option("--index", help="hnsw, ivfflat or exact.")] = "hnsw",
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="USER", help="Whose it is, who pays. Default: the first administrator."),
    ] = None,
    user: UsersOption = None,
    group: GroupsOption = None,
    assistant: AssistantsOption = None,
    everyone: EveryoneOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Make a collection. Only its owner and the operator may read it, unless you name others."""
    with one_sentence(verbose):
        checked = knowing(house)
        service = operators(checked)
        body: dict[str, Any] = {"name": name, "title": title or name, "description": description}
        body |= {"language": language, "index": index}
        body["readers"] = _readers(everyone, user, group, assistant)
        if owner is not None:
            id, email = user_id_of(checked, owner)
            body["owner"] = {"user": id, "email": email}
        service.post("collections", body=body)
        noted(checked, "collection.create", name)
    console.print(f"The collection {name} is there. `cli index PATH --collection {name}` fills it.", highlight=False)


@app.command(epilog=_examples("cli collections delete offers", "cli collections delete offers --yes"))
def delete(
    name: NameArgument, yes: YesOption = False, house: HouseOption = None, verbose: VerboseOption = False
) -> None:
    """Delete a collection with all its documents. One that maitre.yaml names is made anew by `cli seed`."""
    with one_sentence(verbose):
        checked = knowing(house)
        service = operators(checked)
        found = service.get("collections", name)
        size = told(found["documents"], "document")
        if not yes and not typer.confirm(f"Delete the collection {name} with {size}?"):
            raise HouseError("Nothing was deleted.")
        service.delete("collections", name)
        noted(checked, "collection.delete", name, documents=found["documents"])
    console.print(f"The collection {name} is gone, with {size}.", highlight=False)


@app.command(
    name="re-index",
    epilog=_examples("cli collections re-index handbook", "cli collections re-index handbook --document rules/dogs.md"),
)
def re_index(
    name: NameArgument,
    document: Annotated[
        list[str] | None,
        typer.Option("--document", metavar="KEY", help="Only this document; may be repeated. Default: all."),
    ] = None,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Parse and embed documents anew, from what was uploaded. Until each is ready, its old version answers."""
    with one_sentence(verbose):
        checked = knowing(house)
        service = operators(checked)
        if document:
            ids = _ids(service, name, document)
            accepted = [service.post("documents", id, "re-index") for id in ids]
        else:
            accepted = service.post("collections", name, "re-index")["documents"]
        noted(checked, "collection.re-index", name, documents=len(accepted))
    console.print(f"{told(len(accepted), 'document')} in line. `cli collections jobs {name}` shows how far they are.")


def _ids(service: RagService, name: str, keys: list[str]) -> list[str]:
    by_key = {one["key"]: one["id"] for one in service.documents(name)}
    for key in keys:
        if key not in by_key:
            raise HouseError(
                f"The collection {name} has no document “{key}”; `cli collections show {name}` lists them."
            )
    return [by_key[key] for key in keys]


@app.command(epilog=_examples("cli collections jobs handbook"))
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


@app.command(epilog=_examples("cli collections cancel 4711"))
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


@app.command(epilog=_examples("cli collections grant handbook --group coaches", "cli collections grant faq --everyone"))
def grant(
    name: NameArgument,
    user: UsersOption = None,
    group: GroupsOption = None,
    assistant: AssistantsOption = None,
    everyone: EveryoneOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Let others read a collection. What maitre.yaml says of a collection, `cli seed` puts back."""
    with one_sentence(verbose):
        _change("grant", name, house, _readers(everyone, user, group, assistant))


@app.command(epilog=_examples("cli collections revoke handbook --user free@maitre.example"))
def revoke(
    name: NameArgument,
    user: UsersOption = None,
    group: GroupsOption = None,
    assistant: AssistantsOption = None,
    everyone: EveryoneOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Take the reading of a collection from others. What maitre.yaml says of a collection, `cli seed` puts back."""
    with one_sentence(verbose):
        _change("revoke", name, house, _readers(everyone, user, group, assistant))


def _change(verb: str, name: str, house: Any, those: dict[str, Any]) -> None:
    if not any(those.values()):
        raise HouseError("Say who: --user, --group, --assistant or --everyone.")
    checked = knowing(house)
    service = operators(checked)
    now = service.get("collections", name)["readers"]
    service.put("collections", name, body={"readers": changed(verb, now, those)})
    noted(checked, f"collection.{verb}", name, **{kind: who for kind, who in those.items() if who})
    console.print(summary(service.get("collections", name)), markup=False, highlight=False)


def changed(verb: str, now: dict[str, Any], those: dict[str, Any]) -> dict[str, Any]:
    """Readers with some added (`grant`) or taken away (`revoke`)."""
    after: dict[str, Any] = {"everyone": verb == "grant" if those["everyone"] else now["everyone"]}
    for kind in ("users", "groups", "assistants"):
        there, named = set(now[kind]), set(those[kind])
        after[kind] = sorted(there | named if verb == "grant" else there - named)
    return after


def _readers(
    everyone: bool, users: list[str] | None, groups: list[str] | None, assistants: list[str] | None
) -> dict[str, Any]:
    return {
        "everyone": everyone,
        "users": [user.lower() for user in users or ()],
        "groups": groups or [],
        "assistants": assistants or [],
    }


@app.command(
    name="import",
    epilog=_examples("cli collections import data_chunks --collection handbook --dsn postgresql://reader@db/old"),
)
def import_table(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Its name, as PostgreSQL has it.")],
    collection: Annotated[str, typer.Option("--collection", metavar="NAME", help="Where its chunks go.")],
    dsn: Annotated[str, typer.Option("--dsn", metavar="URL", help="The database that it is in.")],
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Take over a table of llama-index-vector-stores-postgres, embeddings and all. The table is only read."""
    with one_sentence(verbose):
        checked = knowing(house)
        done = operators(checked).post("collections", collection, "import", body={"dsn": dsn, "table": table})
        noted(checked, "collection.import", collection, table=table)
    console.print(f"The import is job {done['job']}.", markup=False, highlight=False)
