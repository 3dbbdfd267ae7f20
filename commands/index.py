"""`cli index`: files and folders into a collection."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.index_view import following, report, told
from commands.knowledge import knowing, noted, operators
from commands.output import FAILED, HouseOption, JsonOption, VerboseOption, errors, one_sentence, print_json
from maitre.errors import HouseError

if TYPE_CHECKING:
    from provisioning.files import Found
    from provisioning.indexing import Outcome
    from provisioning.rag_http import RagService

PATIENCE = 600.0  # seconds without any progress after which the worker must be down


def index(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files, folders, or patterns in quotes.")],
    collection: Annotated[str, typer.Option("--collection", metavar="NAME", help="Where they go.")],
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the collection's documents that are no longer in the folder.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Upload only; workers index them later.")] = False,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Put files into a collection, and wait until they can be found.

    Unchanged files are passed by, so the same command goes on after a break.
    """
    from provisioning import indexing
    from provisioning.files import find
    from provisioning.rag_http import RagError

    with one_sentence(verbose):
        checked = knowing(house)
        assert checked.rag is not None
        found = find(paths, pictures=checked.rag.docling is not None)
        if prune:
            _check_prune(found)
        service = operators(checked)
        outcomes = [indexing.Outcome(key) for key in found.files]
        most = checked.rag.max_file_bytes
        try:
            with following(outcomes, shown=not as_json) as hear:
                service.get("collections", collection)  # before files are read
                pruned = _prune(service, collection, found) if prune else []
                indexing.upload(service, collection, found.files, outcomes, most, hear)
                if not no_wait and not indexing.wait(service, outcomes, PATIENCE, hear):
                    raise HouseError(
                        f"Nothing has moved for {PATIENCE:.0f} seconds; `cli status` shows whether the worker is up."
                        " What was uploaded stays in line."
                    )
        except RagError as refused:
            raise _with_remedy(refused, collection, outcomes) from refused
        except KeyboardInterrupt:
            errors.print(_stopped(outcomes), markup=False)
            raise
        counts = Counter(one.status for one in outcomes)
        noted(checked, "collection.index", collection, **counts, pruned=len(pruned))
    if as_json:
        print_json(_json(collection, found, outcomes, pruned))
    else:
        report(collection, found, outcomes, pruned)
    if any(one.failed for one in outcomes):
        raise typer.Exit(FAILED)


def _check_prune(found: Found) -> None:
    if not found.folders:
        raise HouseError("--prune compares the collection with a folder; name one.")
    if not found.files:
        raise HouseError(
            "There are no documents in the folder, so --prune would empty the collection;"
            " `cli collections delete` does that."
        )


def _prune(service: RagService, collection: str, found: Found) -> list[str]:
    """Remove the documents whose files are gone below every folder; their keys."""
    gone = [
        one
        for one in service.documents(collection)
        if one["key"] not in found.files and not any(_is_there(folder, one["key"]) for folder in found.folders)
    ]
    for one in gone:
        service.delete("documents", one["id"])
    return [one["key"] for one in gone]


def _is_there(folder: Path, key: str) -> bool:
    try:
        return (folder / key).exists()
    except (OSError, ValueError):  # a key that no file can have
        return False


def _stopped(outcomes: list[Outcome]) -> str:
    uploaded = sum(bool(one.status) for one in outcomes)
    return (
        f"{uploaded} of {told(len(outcomes), 'document')} are uploaded, and the workers go on with them. The same"
        " command goes on with the rest."
    )


def _with_remedy(refused: HouseError, collection: str, outcomes: list[Outcome]) -> HouseError:
    if getattr(refused, "code", "") == "unknown_collection":
        return HouseError(f"{refused} `cli collections create {collection}` makes it.")
    return HouseError(f"{refused} {_stopped(outcomes)}") if any(one.status for one in outcomes) else refused


def _json(collection: str, found: Found, outcomes: list[Outcome], pruned: list[str]) -> dict[str, Any]:
    return {
        "collection": collection,
        "documents": [asdict(one) for one in outcomes],
        "pruned": pruned,
        "hidden": found.hidden,
        "foreign": found.foreign,
    }
