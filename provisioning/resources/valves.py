"""Where our filters stand guard: the `pipelines` valve of each is exactly ["*"], every model.

Open WebUI takes the list for a wildcard only when it is exactly that; and an update replaces all valves, so the
others are sent back as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maitre.errors import HouseError
from provisioning.change import Change
from provisioning.openwebui_http import OpenWebUI, OpenWebUIError
from provisioning.resources.connection import Connection
from provisioning.resources.connection import index as connection_index
from provisioning.resources.connection import read as read_connections
from provisioning.world import World

FILTERS = ("quota_filter", "tracing_filter")
EVERY_MODEL = ["*"]


def read(web: OpenWebUI, document: Mapping[str, Any], connection: Connection) -> dict[str, dict[str, Any]] | None:
    """The valves of our filters that exist; None while Open WebUI is not connected to the Pipelines server."""
    number = connection_index(document, connection)
    if number is None:
        return None
    try:
        answer = web.get("/api/v1/pipelines/", urlIdx=number)
    except OpenWebUIError as refused:
        if refused.status == 0:
            raise
        return None  # Open WebUI answers 404 when the Pipelines server does not answer it
    return {
        row["id"]: web.get(f"/api/v1/pipelines/{row['id']}/valves", urlIdx=number)
        for row in answer["data"]
        if row["id"] in FILTERS and row["valves"]
    }


def diff(live: Mapping[str, Mapping[str, Any]] | None) -> list[Change]:
    """Aim our filters at every model; before the connection exists, each that will be found there."""
    if live is None:
        says = "Aim the filter {} at every model, if the Pipelines server has it."
        return [Change("valves", "update", id, says.format(id), id) for id in FILTERS]
    wrong = [id for id, valves in live.items() if valves.get("pipelines") != EVERY_MODEL]
    return [Change("valves", "update", id, f"Aim the filter {id} at every model.", id) for id in wrong]


def apply(change: Change, world: World, connection: Connection) -> None:
    """Carry one change out, if the Pipelines server has the filter."""
    document = read_connections(world.web)
    filters = read(world.web, document, connection)
    if filters is None:
        raise HouseError(f"Open WebUI cannot reach the Pipelines server at {connection.url}.")
    valves = filters.get(change.key)
    if valves is not None and valves.get("pipelines") != EVERY_MODEL:
        number = connection_index(document, connection)
        body = {**valves, "pipelines": EVERY_MODEL}
        world.web.post(f"/api/v1/pipelines/{change.key}/valves/update", body, urlIdx=number)
