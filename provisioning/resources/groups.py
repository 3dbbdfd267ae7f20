"""Groups of Open WebUI: one for each plan, and the house's own.

A group that we made carries our key in `data.maitre`, so that it can be renamed and removed. Open WebUI accepts
two groups of one name, hence the look-up before making one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maitre.quota.plan import Plan
from provisioning.change import Change
from provisioning.openwebui_http import OpenWebUI
from provisioning.world import World

PLAN = "plan:"
GROUP = "group:"


@dataclass(frozen=True, slots=True)
class WebGroup:
    """A group as Open WebUI has it. `mark` is our key, where we made the group."""

    id: str
    name: str
    description: str
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class WantedGroup:
    """A group that Open WebUI should have."""

    key: str
    name: str
    description: str


def wanted(plans: Mapping[str, Plan], groups: Mapping[str, str]) -> list[WantedGroup]:
    """A group for each plan, and the groups of maitre.yaml."""
    return [
        *(
            WantedGroup(PLAN + slug, f"Plan: {plan.name}", f"Guests on the plan {slug}. Maitre keeps this group.")
            for slug, plan in plans.items()
        ),
        *(WantedGroup(GROUP + name, name, description) for name, description in groups.items()),
    ]


def read(web: OpenWebUI) -> list[WebGroup]:
    """Every group."""
    return [
        WebGroup(row["id"], row["name"], row["description"], (row.get("data") or {}).get("maitre"))
        for row in web.get("/api/v1/groups/")
    ]


def matched(wanted: Sequence[WantedGroup], live: Sequence[WebGroup]) -> dict[str, WebGroup]:
    """The live group of each wanted key: the one with our mark, else an unmarked one of that name."""
    by_mark = {group.mark: group for group in reversed(live) if group.mark}
    by_name = {group.name: group for group in reversed(live) if not group.mark}
    found = {}
    for group in wanted:
        there = by_mark.get(group.key) or by_name.pop(group.name, None)
        if there is not None:
            found[group.key] = there
    return found


def keys_by_id(found: Mapping[str, WebGroup], live: Sequence[WebGroup]) -> dict[str, str]:
    """Our key of every group that is ours. One that is about to be removed goes by its id, which nobody wants."""
    ours = {group.id: group.id for group in live if group.mark}
    return {**ours, **{group.id: key for key, group in found.items()}}


def diff(wanted: Sequence[WantedGroup], live: Sequence[WebGroup]) -> list[Change]:
    """Make, rename and remove our groups. An operator's own group of the same name is used as it is."""
    found = matched(wanted, live)
    changes = []
    for group in wanted:
        there = found.get(group.key)
        if there is None:
            sentence = f"Make the group “{group.name}”."
            changes.append(Change("groups", "create", group.key, sentence, (None, group)))
        elif there.mark is None and group.key.startswith(GROUP):
            continue
        elif (there.name, there.description, there.mark) != (group.name, group.description, group.key):
            what = f"Rename the group “{there.name}” to" if there.name != group.name else "Describe the group"
            changes.append(Change("groups", "update", group.key, f"{what} “{group.name}”.", (there.id, group)))
    kept = {group.id for group in found.values()}
    # A twin with the same mark is left when two runs made a group at once; it goes as well.
    for old in sorted((group for group in live if group.mark and group.id not in kept), key=lambda group: group.name):
        changes.append(Change("groups", "remove", str(old.mark), f"Remove the group “{old.name}”.", (old.id, None)))
    return changes


def apply(change: Change, world: World) -> None:
    """Carry one change out; a new group's id is noted for the changes that follow."""
    id, group = change.payload
    if change.action == "remove":
        world.web.delete(f"/api/v1/groups/id/{id}/delete")
        return
    body = {"name": group.name, "description": group.description, "data": {"maitre": group.key}}
    if change.action == "create":
        body["data"]["config"] = {"share": False}  # guests cannot share things with a whole plan
        id = world.web.post("/api/v1/groups/create", body)["id"]
    else:
        world.web.post(f"/api/v1/groups/id/{id}/update", body)
    world.group_ids[group.key] = id
