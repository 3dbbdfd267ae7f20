"""Open WebUI's own settings: six documents that are read, compared in our keys only, and written back whole."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from maitre.assistants.assistant import Assistant
from maitre.quota.plan import Plan
from maitre.settings import House, WebUI
from provisioning.change import Change, within
from provisioning.openwebui_http import OpenWebUI
from provisioning.resources.groups import PLAN
from provisioning.world import World

#: Each document: what it is called in a sentence, where it is read, where it is written.
DOCUMENTS = {
    "permissions": ("default permissions", "/api/v1/users/default/permissions", "/api/v1/users/default/permissions"),
    "admin": ("general settings", "/api/v1/auths/admin/config", "/api/v1/auths/admin/config"),
    "tasks": ("background tasks", "/api/v1/tasks/config", "/api/v1/tasks/config/update"),
    "models": ("default model", "/api/v1/configs/models", "/api/v1/configs/models"),
    "embedding": ("embeddings of files", "/api/v1/retrieval/embedding", "/api/v1/retrieval/embedding/update"),
    "retrieval": ("search in files", "/api/v1/retrieval/config", "/api/v1/retrieval/config/update"),
}

#: What guests may not do: it does not work in this house, or it would let them run code or take models out.
_OFF = (
    "chat.web_upload",
    "chat.stt",
    "chat.tts",
    "chat.call",
    "chat.valves",
    "features.calendar",
    "features.web_search",
    "features.image_generation",
    "features.code_interpreter",
    "features.direct_tool_servers",
    "features.memories",
    "workspace.tools",
    "workspace.models_import",
    "workspace.models_export",
    "workspace.prompts_import",
    "workspace.prompts_export",
    "workspace.tools_import",
    "workspace.tools_export",
    "workspace.skills_import",
    "workspace.skills_export",
)

#: Is never printed.
_KEY = "openai_config.key"

OUR_MODELS = ("assistants.", "models.")


#: Texts of a file that Open WebUI sends at once; by itself it would make a call of each.
BATCH = 32


@dataclass(frozen=True, slots=True)
class FileEmbeddings:
    """By which model of which address Open WebUI makes the embeddings of its own files."""

    model: str
    url: str
    key: str = field(repr=False)


def file_embeddings(house: House, gateway: str) -> FileEmbeddings | None:
    """The gateway at this address, where every embedding has its row; None in a house without knowledge."""
    if house.rag is None:
        return None
    return FileEmbeddings(house.rag.embedding, f"{gateway.rstrip('/')}/v1", house.secret("gateway_key"))


@dataclass(frozen=True, slots=True)
class GroupId:
    """The id, not known before the group is made, of one of our groups."""

    key: str


def wanted(
    webui: WebUI,
    assistants: Mapping[str, Assistant],
    plans: Mapping[str, Plan],
    default_plan: str | None,
    files: FileEmbeddings | None,
) -> dict[str, dict[str, Any]]:
    """Document -> dotted key -> value."""
    admin: dict[str, Any] = {"ENABLE_SIGNUP": webui.sign_up, "ENABLE_API_KEYS": webui.api_keys}
    admin |= {"ENABLE_CALENDAR": False, "ENABLE_USER_STATUS": False}  # nobody asked for them; each is a tool more
    if default_plan is not None:
        admin["DEFAULT_GROUP_ID"] = GroupId(PLAN + default_plan)  # a newcomer sees the default plan's assistants
    default = default_model(assistants, plans)
    return {
        "permissions": {
            **dict.fromkeys(_OFF, False),
            "chat.file_upload": files is not None,
            "features.api_keys": webui.api_keys,
        },
        "admin": admin,
        "tasks": {
            "ENABLE_TITLE_GENERATION": webui.title_generation,
            "ENABLE_TAGS_GENERATION": webui.tags_generation,
            "ENABLE_FOLLOW_UP_GENERATION": webui.follow_up_generation,
            "ENABLE_AUTOCOMPLETE_GENERATION": False,
            "ENABLE_SEARCH_QUERY_GENERATION": False,
            "ENABLE_RETRIEVAL_QUERY_GENERATION": False,
        },
        "models": {} if default is None else {"DEFAULT_MODELS": default},
        "embedding": {} if files is None else _embedding(files),
        "retrieval": {"BYPASS_EMBEDDING_AND_RETRIEVAL": files is None},
    }


def _embedding(files: FileEmbeddings) -> dict[str, Any]:
    return {
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_EMBEDDING_MODEL": files.model,
        "RAG_EMBEDDING_BATCH_SIZE": BATCH,
        "ENABLE_ASYNC_EMBEDDING": False,  # else all batches of a file at once, which is more than may wait in the line
        "openai_config.url": files.url,
        _KEY: files.key,
    }


def default_model(assistants: Mapping[str, Assistant], plans: Mapping[str, Plan]) -> str | None:
    """The first assistant made for conversation that every plan may use."""
    for slug, assistant in assistants.items():
        talks = assistant.type == "chat" and not assistant.json_answer
        if talks and assistant.enabled and all(assistant.open_to(plan) for plan in plans):
            return f"assistants.{slug}"
    return None


def read(web: OpenWebUI) -> dict[str, dict[str, Any]]:
    """The documents."""
    return {name: web.get(path) for name, (_, path, _) in DOCUMENTS.items()}


def diff(
    wanted: Mapping[str, Mapping[str, Any]],
    live: Mapping[str, Mapping[str, Any]],
    group_ids: Mapping[str, str],
    models: frozenset[str],
) -> list[Change]:
    """One change a document that differs in our keys.

    `group_ids`: our key -> id, of the groups that exist. `models`: the ids that the house has; a default model
    that the operator chose is left alone unless it is one of ours that is gone.
    """
    changes = []
    for name, keys in wanted.items():
        differing = {}
        for key, value in keys.items():
            there = within(live[name], key)
            should = group_ids.get(value.key, value) if isinstance(value, GroupId) else value
            if key == "DEFAULT_MODELS" and not _is_stale(there, models):
                continue
            if there != should:
                differing[key] = value
        if differing:
            says = ", ".join(f"{key} {'anew' if key == _KEY else _word(value)}" for key, value in differing.items())
            payload = (differing, live[name])
            changes.append(Change("settings", "update", name, f"Set the {DOCUMENTS[name][0]}: {says}.", payload))
    return changes


def _is_stale(default: str | None, models: frozenset[str]) -> bool:
    ids = [id.strip() for id in (default or "").split(",") if id.strip()]
    return not ids or any(id.startswith(OUR_MODELS) and id not in models for id in ids)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value.key if isinstance(value, GroupId) else str(value)


def apply(change: Change, world: World) -> None:
    """Carry one change out."""
    differing, live = change.payload
    document = deepcopy(dict(live))
    for key, value in differing.items():
        *above, last = key.split(".")
        section = document
        for part in above:
            section = section.setdefault(part, {})
        section[last] = world.group_ids[value.key] if isinstance(value, GroupId) else value
    world.web.post(DOCUMENTS[change.key][2], document)
