"""What the house wants, as plain values; nothing is read here but the house and its documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maitre.settings import House
from provisioning import documents
from provisioning.resources import functions, groups, likenesses, models, settings, users
from provisioning.resources.connection import Connection


@dataclass(frozen=True, slots=True)
class Wanted:
    """The house and what follows from it for Open WebUI."""

    house: House
    connection: Connection
    users: list[users.WantedUser]
    groups: list[groups.WantedGroup]
    models: list[models.WantedModel]
    settings: dict[str, dict[str, Any]]
    function: functions.WantedFunction | None
    likenesses: dict[str, str]
    collections: list[documents.WantedCollection]


def wanted_of(
    house: House, connection: Connection, passwords: Mapping[str, str], files: settings.FileEmbeddings | None
) -> Wanted:
    """All of it. `passwords` of demo users, by e-mail; `files`: who makes the embeddings of Open WebUI's own files."""
    return Wanted(
        house=house,
        connection=connection,
        users=users.wanted(house.users, passwords),
        groups=groups.wanted(house.plans, house.groups),
        models=models.wanted(house.assistants, house.models, house.aliases, house.plans, files is not None),
        settings=settings.wanted(house.webui, house.assistants, house.plans, house.default_plan, files),
        function=functions.wanted(house.secret("stamp")) if connection.gateway else None,
        likenesses=likenesses.wanted(house),
        collections=documents.wanted(house),
    )
