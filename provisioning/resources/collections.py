"""The collections of maitre.yaml in the RAG service, and the documents that are made of the house's files.

A document that we made carries its file's digest in its metadata, so that a changed file is known without an upload and
documents of others in the same collection are left alone. Collections that the files do not name are left alone too.
"""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maitre.errors import HouseError
from provisioning.change import Change, listed
from provisioning.documents import WantedCollection
from provisioning.indexing import UNDER_WAY, Outcome, put
from provisioning.rag_http import RagService
from provisioning.world import World

#: The metadata of ours: the SHA-256 of the file that a document was made of.
MARK = "maitre_sha256"


@dataclass(frozen=True, slots=True)
class LiveCollection:
    """A collection as the service shows it, and its documents by their keys."""

    shown: Mapping[str, Any]
    documents: Mapping[str, Mapping[str, Any]]


def read(service: RagService, wanted: Sequence[WantedCollection]) -> dict[str, LiveCollection]:
    """Those of the wanted collections that are there."""
    there = service.collections()
    return {
        name: LiveCollection(there[name], {one["key"]: one for one in service.documents(name)})
        for name in (one.collection.name for one in wanted)
        if name in there
    }


def diff(wanted: Sequence[WantedCollection], live: Mapping[str, LiveCollection], emails: Several[str]) -> list[Change]:
    """Make and change collections, and index, index anew and remove their documents. `emails`: of those whom Open WebUI
    has or will have by then."""
    changes: list[Change] = []
    for one in wanted:
        name, there = one.collection.name, live.get(one.collection.name)
        if one.owner not in emails:
            why = (
                f"belongs to {one.owner}, who is not in Open WebUI yet."
                if one.owner
                else "has no owner: maitre.yaml names neither one nor a user with the role admin."
            )
            changes.append(_note(name, f"The collection {name} {why}"))
            continue
        if there is None:
            title = one.collection.title
            changes.append(Change("collections", "create", name, f"Make the collection {name}, “{title}”.", one))
        else:
            changes += _differing(one, there.shown)
        changes += [
            _note(name, f"maitre.yaml: knowledge.{name}.files: no file is like “{pattern}”.")
            for pattern in one.unmatched
        ]
        changes += [
            _note(f"{name}/{key}", f"{key} is not as its file in the collection {name}: {why}")
            for key, why in sorted(one.unfit.items())
        ]
        if there is None or there.shown["model"] == one.model:
            changes += _documents(one, {} if there is None else there.documents)
    return changes


def _differing(one: WantedCollection, there: Mapping[str, Any]) -> list[Change]:
    name = one.collection.name
    notes = []
    if there["model"] != one.model:
        sentence = (
            f"The collection {name} is of {there['model']} and the house's embedding is {one.model} now:"
            f" `cli collections delete {name}`, then `cli seed` makes it anew."
        )
        notes.append(_note(name, sentence))
    bound = there["language"] != one.collection.language and there["documents"] > 0
    if bound:
        sentence = (
            f"The collection {name} has documents in {there['language']}: `cli collections delete {name}`, then"
            f" `cli seed` makes it anew in {one.collection.language}."
        )
        notes.append(_note(name, sentence))
    differing = [
        field
        for field, should in _fields(one).items()
        if _plain(field, there[field]) != should and not (field == "language" and bound)
    ]
    if not differing:
        return notes
    sentence = f"Change the collection {name}: {listed(differing)}."
    return [*notes, Change("collections", "update", name, sentence, (one, tuple(differing)))]


def _fields(one: WantedCollection) -> dict[str, Any]:
    """As the service shows them."""
    collection = one.collection
    readers = collection.readers
    return {
        "title": collection.title,
        "description": collection.description,
        "language": collection.language,
        "index": collection.index,
        "owner": one.owner,
        "readers": {
            "everyone": readers.everyone,
            "users": sorted(set(readers.users)),
            "groups": sorted(set(readers.groups)),
            "assistants": sorted(set(readers.assistants)),
        },
    }


def _plain(field: str, value: Any) -> Any:
    if field == "owner":
        return value["email"]
    if field == "readers":
        return {kind: sorted(who) if isinstance(who, list) else who for kind, who in value.items()}
    return value


def _documents(one: WantedCollection, live: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    name = one.collection.name
    changes = []
    for key, file in one.files.items():
        there = live.get(key)
        mark = None if there is None else there["metadata"].get(MARK)
        if there is None:
            sentence = f"Index {key} in the collection {name}."
            changes.append(Change("collections", "create", f"{name}/{key}", sentence, (one, key)))
        elif mark != file.digest:
            sentence = f"Index {key} anew in the collection {name}: it has changed."
            changes.append(Change("collections", "update", f"{name}/{key}", sentence, (one, key)))
        elif there["status"] in ("failed", "cancelled"):
            why = there["fault"] or "it was cancelled."
            again = f"`cli collections re-index {name}` tries again."
            changes.append(_note(f"{name}/{key}", f"{_left_out(key, name, why)} {again}"))
    for key in sorted(set(live) - set(one.files) - set(one.unfit)):
        if MARK in live[key]["metadata"]:
            sentence = f"Remove {key} from the collection {name}: its file is gone."
            changes.append(Change("collections", "remove", f"{name}/{key}", sentence, live[key]["id"]))
    return changes


def _left_out(key: str, name: str, why: str) -> str:
    return f"{key} is not in the collection {name}: {why}"


def _note(key: str, sentence: str) -> Change:
    return Change("collections", "skip", key, sentence)


def apply(change: Change, world: World) -> None:
    """Carry one change out. Documents are uploaded; `world.uploads` says what is to be waited for."""
    service = world.rag
    if service is None:
        raise HouseError("the house has no RAG service.")
    if change.action == "remove":
        service.delete("documents", change.payload)
    elif "/" in change.key:
        one, key = change.payload
        file = one.files[key]
        outcome = Outcome(key)
        put(service, one.collection.name, file.path, outcome, one.most, {MARK: file.digest})
        world.uploads.append((one.collection.name, outcome))
    else:
        one, names = change.payload if change.action == "update" else (change.payload, None)
        fields = _fields(one)
        fields["owner"] = {"user": world.user_ids[one.owner], "email": one.owner}
        body = {name: value for name, value in fields.items() if names is None or name in names}
        service.put("collections", one.collection.name, body=body)


def unfinished(uploads: Sequence[tuple[str, Outcome]]) -> list[Change]:
    """Notes about what was uploaded and cannot be found yet."""
    notes = []
    for name, one in uploads:
        if one.failed:
            notes.append(_note(f"{name}/{one.key}", _left_out(one.key, name, one.fault)))
    waiting = sorted({name for name, one in uploads if one.status in UNDER_WAY})
    for name in waiting:
        sentence = f"Documents of {name} are still in line: `cli collections jobs {name}` shows how far they are."
        notes.append(_note(name, sentence))
    return notes
