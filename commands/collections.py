"""`cli collections`: the house's knowledge listed, made, changed and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.collection_jobs import cancel, import_table, jobs
from commands.collection_readers import (
    AssistantsOption,
    EveryoneOption,
    GroupsOption,
    UsersOption,
    grant,
    named,
    revoke,
)
from commands.collection_view import document_table, summary, table
from commands.index_view import told
from commands.knowledge import NameArgument, knowing, noted, operators, user_id_of
from commands.output import HouseOption, JsonOption, VerboseOption, YesOption, console, one_sentence, print_json
from maitre.errors import HouseError

if TYPE_CHECKING:
    from provisioning.rag_http import RagService

app = typer.Typer(help="Collections of documents: the house's knowledge.", no_args_is_help=True)


def _examples(*lines: str) -> str:
    return "\n\n".join(("[bold]Examples[/]" if len(lines) > 1 else "[bold]Example[/]", *lines))


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
        body["readers"] = named(everyone, user, group, assistant)
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


for command, name, examples in (
    (jobs, "jobs", _examples("cli collections jobs handbook")),
    (cancel, "cancel", _examples("cli collections cancel 4711")),
    (
        grant,
        "grant",
        _examples("cli collections grant handbook --group coaches", "cli collections grant faq --everyone"),
    ),
    (revoke, "revoke", _examples("cli collections revoke handbook --user free@maitre.example")),
    (
        import_table,
        "import",
        _examples("cli collections import chunks --collection faq --dsn postgresql://reader@db/old"),
    ),
):
    app.command(name, epilog=examples)(command)
