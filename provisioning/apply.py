"""Carrying a plan out, one change after another, and looking afterwards whether Open WebUI lists our models."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from maitre.errors import HouseError, MaitreError
from provisioning.change import Change, listed
from provisioning.resources import (
    accounts,
    assistants,
    collections,
    connection,
    functions,
    groups,
    likenesses,
    members,
    models,
    plans,
    settings,
    users,
    valves,
)
from provisioning.resources.connection import Connection
from provisioning.resources.models import WantedModel
from provisioning.world import World


def apply(
    changes: Sequence[Change], world: World, asked: Connection, progress: Callable[[str], None] | None = None
) -> None:
    """Carry the changes out in order. Raises HouseError that names the change which failed.

    What was done stays done: the next run finds it and goes on from there.
    """
    carry_out: dict[str, Callable[[Change, World], None]] = {
        "plans": plans.apply,
        "assistants": assistants.apply,
        "users": users.apply,
        "accounts": accounts.apply,
        "groups": groups.apply,
        "members": members.apply,
        "connection": connection.apply,
        "models": models.apply,
        "settings": settings.apply,
        "valves": partial(valves.apply, connection=asked),
        "functions": functions.apply,
        "collections": collections.apply,
        "likenesses": likenesses.apply,
    }
    for change in changes:
        if change.action == "skip":
            continue
        try:
            carry_out[change.resource](change, world)
        except MaitreError as fault:
            raise HouseError(f"“{change.sentence}” failed: {fault} Mend that and run `cli seed` again.") from fault
        if progress is not None:
            progress(change.sentence)


def verify(wanted: Sequence[WantedModel], world: World, asked: Connection, patience: float) -> None:
    """Refresh Open WebUI's list of models and wait until it has every one that somebody may use.

    `patience` is how long the server that is asked may take to notice new assistants, in seconds.
    The refresh matters even when nothing changed: Open WebUI forgets the filters of a Pipelines server that was
    away, and runs chats without them, until someone refreshes the list.
    """
    should = {model.id for model in wanted if model.active and model.readers}
    end = time.monotonic() + patience
    while True:
        listing = world.web.get("/api/models", refresh="true")
        missing = sorted(should - {model["id"] for model in listing["data"]})
        if not missing:
            return
        if time.monotonic() >= end:
            raise HouseError(
                f"Open WebUI does not list {listed(missing)}: either {asked.title} at {asked.url} is"
                " down, or it does not serve them. `cli status` shows what is up."
            )
        time.sleep(0.5)
