"""The plan: the pure difference between what the house wants and what is there, in the order it is carried out."""

from __future__ import annotations

from maitre.settings import User
from provisioning.change import Change
from provisioning.live import Live
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
from provisioning.wanted import Wanted


def plan_of(wanted: Wanted, live: Live) -> list[Change]:
    """Every change, removals last of their kind. Empty when all is as wanted."""
    house, entries = wanted.house, live.entries
    people = users.diff(wanted.users, live.users)
    new = {change.key for change in people if change.action == "create"}
    found = groups.matched(wanted.groups, live.groups)
    listed = {user.email: user for user in house.users}
    plan_by_email = {email: _plan(email, listed, wanted, live) for email in {*live.users, *new}}
    default_group = live.settings["admin"].get("DEFAULT_GROUP_ID")
    return [
        *plans.diff(house.plans, entries.plans),
        *assistants.diff(house.assistants, entries.assistants),
        *people,
        *accounts.diff(house.users, entries.accounts, live.users, new),
        *groups.diff(wanted.groups, live.groups),
        *members.diff(
            wanted.groups,
            found,
            house.users,
            live.users,
            plan_by_email,
            arrivals=[key for key, group in found.items() if group.id == default_group],
        ),
        *functions.diff(wanted.function, live.function),
        *connection.diff(wanted.connection, live.connections),
        *models.diff(wanted.models, live.models, groups.keys_by_id(found, live.groups)),
        *settings.diff(
            wanted.settings,
            live.settings,
            {key: group.id for key, group in found.items()},
            frozenset(model.id for model in wanted.models),
        ),
        *likenesses.diff(wanted.likenesses, entries.likenesses),
        *valves.diff(live.valves),
        *collections.diff(wanted.collections, live.collections, {*live.users, *new}),
    ]


def _plan(email: str, listed: dict[str, User], wanted: Wanted, live: Live) -> str | None:
    house = wanted.house
    return members.plan_of(email, listed, live.users, live.entries.accounts, house.plans, house.default_plan)
