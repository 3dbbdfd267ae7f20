"""Model rows of Open WebUI: the name, description, capabilities and readers of every assistant and plain model.

A manifold's model without a row is seen by administrators only. A row that we wrote carries `meta.maitre`. Of a
row we own the name, the description, our capabilities, whether it is hidden or active, and the read grants of
everybody and of our groups; its picture, its parameters and other people's grants stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maitre.assistants.assistant import Assistant
from maitre.chat.text import clean
from maitre.providers.alias import Alias, models_of, on_the_menu
from maitre.providers.provider import Model
from maitre.quota.plan import Plan
from provisioning.change import Change, listed
from provisioning.openwebui_http import OpenWebUI
from provisioning.resources.groups import PLAN
from provisioning.world import World

EVERYBODY = "*"
REFUSED = "assistants.refused"

#: What a chat with our models cannot do: it needs a search engine, a painter or a jailer.
#: Open WebUI takes a missing capability for one that works, `usage` excepted.
_CAPABILITIES = {
    "usage": True,
    "vision": False,
    "web_search": False,
    "image_generation": False,
    "code_interpreter": False,
    "terminal": False,
    "memory": False,
}


@dataclass(frozen=True, slots=True)
class WantedModel:
    """A row that Open WebUI should have. `readers` are keys of our groups, or EVERYBODY. `files`: whether guests attach
    files to its chats, and passages of them enter the prompt."""

    id: str
    name: str
    description: str = ""
    tools: bool = False
    files: bool = False
    active: bool = True
    hidden: bool = False
    readers: tuple[str, ...] = ()

    @property
    def capabilities(self) -> dict[str, bool]:
        files = {"file_upload": self.files, "file_context": self.files}
        return {**_CAPABILITIES, **files, "builtin_tools": self.tools}


def wanted(
    assistants: Mapping[str, Assistant],
    models: Mapping[str, Model],
    aliases: Mapping[str, Alias],
    plans: Mapping[str, Plan],
    files: bool,
) -> list[WantedModel]:
    """A row for every assistant, every plain model or alias, and the hidden one to which refused requests are sent.
    `files`: whether the house makes embeddings of files."""
    return [
        *(
            WantedModel(
                f"assistants.{slug}",
                _line(assistant.name),
                clean(assistant.description).strip(),
                tools=assistant.tools and _tools(assistant.model, models, aliases),
                files=files,
                active=assistant.enabled,
                readers=tuple(PLAN + plan for plan in plans if assistant.open_to(plan)),
            )
            for slug, assistant in assistants.items()
        ),
        *(
            WantedModel(
                f"models.{id}",
                _line(name),
                tools=_tools(id, models, aliases),
                files=files,
                readers=tuple(PLAN + slug for slug, plan in plans.items() if id in plan.models),
            )
            for id, name in on_the_menu(models, aliases, [plan.models for plan in plans.values()]).items()
        ),
        WantedModel(REFUSED, "Refused", "Answers a refused request.", hidden=True, readers=(EVERYBODY,)),
    ]


def _tools(id: str, models: Mapping[str, Model], aliases: Mapping[str, Alias]) -> bool:
    return all(model.tools for model in models_of(id, models, aliases))


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def read(web: OpenWebUI) -> dict[str, dict[str, Any]]:
    """Every row by id."""
    return {row["id"]: row for row in web.get("/api/v1/models/all")}


def diff(
    wanted: Sequence[WantedModel], live: Mapping[str, Mapping[str, Any]], group_keys: Mapping[str, str]
) -> list[Change]:
    """Write rows that are missing or differ, remove ours that are no longer wanted. `group_keys`: id -> our key."""
    changes = []
    for model in wanted:
        row = live.get(model.id)
        if row is None:
            readers = listed(_reader(key) for key in model.readers) or "nobody"
            sentence = f"Make the model row {model.id} “{model.name}”, for {readers}."
            changes.append(Change("models", "create", model.id, sentence, (model, {}, [])))
        elif differing := _differing(model, row, group_keys):
            foreign = [
                {name: grant[name] for name in ("principal_type", "principal_id", "permission")}
                for grant in row.get("access_grants") or ()
                if _key(grant, group_keys) is None
            ]
            sentence = f"Change the model row {model.id}: {listed(differing)}."
            changes.append(Change("models", "update", model.id, sentence, (model, row, foreign)))
    for id in sorted(set(live) - {model.id for model in wanted}):
        if (live[id].get("meta") or {}).get("maitre"):
            changes.append(Change("models", "remove", id, f"Remove the model row {id}: the house no longer has it."))
    return changes


def _differing(model: WantedModel, row: Mapping[str, Any], group_keys: Mapping[str, str]) -> list[str]:
    meta = row.get("meta") or {}
    capabilities = meta.get("capabilities") or {}
    keys = {_key(grant, group_keys) for grant in row.get("access_grants") or ()} - {None}
    pairs = {
        "name": (row.get("name"), model.name),
        "base model": (row.get("base_model_id"), None),
        "description": (meta.get("description") or "", model.description),
        "capabilities": ({name: capabilities.get(name) for name in model.capabilities}, model.capabilities),
        "hidden": (bool(meta.get("hidden")), model.hidden),
        "our mark": (meta.get("maitre"), True),
        "active": (bool(row.get("is_active", True)), model.active),
        "readers": (keys, set(model.readers)),
    }
    return [name for name, (there, should) in pairs.items() if there != should]


def _key(grant: Mapping[str, Any], group_keys: Mapping[str, str]) -> str | None:
    """The reader that a grant of ours names; None for somebody else's grant."""
    if grant["permission"] != "read":
        return None
    if grant["principal_type"] == "group":
        return group_keys.get(grant["principal_id"])
    return EVERYBODY if (grant["principal_type"], grant["principal_id"]) == ("user", EVERYBODY) else None


def _reader(key: str) -> str:
    return "everybody" if key == EVERYBODY else key.removeprefix(PLAN)


def apply(change: Change, world: World) -> None:
    """Carry one change out."""
    if change.action == "remove":
        world.web.post("/api/v1/models/model/delete", {"id": change.key})
        return
    model, row, foreign = change.payload
    meta = row.get("meta") or {}
    body = {
        "id": model.id,
        "base_model_id": None,
        "name": model.name,
        "is_active": model.active,
        "params": row.get("params") or {},
        "meta": {
            **meta,
            "description": model.description,
            "capabilities": {**(meta.get("capabilities") or {}), **model.capabilities},
            "hidden": model.hidden,
            "maitre": True,
        },
        "access_grants": [*foreign, *(_grant(key, world) for key in model.readers)],
    }
    if change.action == "create":
        world.web.post("/api/v1/models/create", body)
    else:
        world.web.post("/api/v1/models/model/update", body)
        # Open WebUI 0.12.4 leaves the grants of an update out; they have a route of their own.
        grants = {"id": model.id, "access_grants": body["access_grants"]}
        world.web.post("/api/v1/models/model/access/update", grants)


def _grant(reader: str, world: World) -> dict[str, str]:
    if reader == EVERYBODY:
        return {"principal_type": "user", "principal_id": EVERYBODY, "permission": "read"}
    return {"principal_type": "group", "principal_id": world.group_ids[reader], "permission": "read"}
