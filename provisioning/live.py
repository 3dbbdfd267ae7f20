"""What is there now, in Maitre's database and in Open WebUI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioning.books import Entries, OpenBooks
from provisioning.documents import WantedCollection
from provisioning.openwebui_http import OpenWebUI
from provisioning.rag_http import RagService
from provisioning.resources import collections, connection, functions, groups, models, settings, users, valves


@dataclass(frozen=True, slots=True)
class Live:
    """Both sides at one moment. `valves` is None while Open WebUI cannot ask the Pipelines server, and empty in a house
    that does not. `function` is ours in Open WebUI."""

    entries: Entries
    users: Mapping[str, users.WebUser]
    groups: Sequence[groups.WebGroup]
    models: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]]
    connections: Mapping[str, Any]
    valves: Mapping[str, Mapping[str, Any]] | None
    function: Mapping[str, Any] | None
    collections: Mapping[str, collections.LiveCollection]


def read(
    web: OpenWebUI,
    books: OpenBooks,
    asked: connection.Connection,
    rag: RagService | None,
    knowledge: Sequence[WantedCollection],
) -> Live:
    """Read everything that a plan compares. Changes nothing."""
    connections = connection.read(web)
    return Live(
        entries=books.read(),
        users=users.read(web),
        groups=groups.read(web),
        models=models.read(web),
        settings=settings.read(web),
        connections=connections,
        valves={} if asked.gateway else valves.read(web, connections, asked),
        function=functions.read(web),
        collections={} if rag is None else collections.read(rag, knowledge),
    )
