"""Open WebUI's environment, the same in every house: what is plain, and what is made of secrets.

Its settings are rows of its database after the first start: what stands here is what it begins with, and
`cli seed` keeps the rest. What cannot work in a house of ours is switched off here, not left to fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from maitre.knowledge.collection import Rag
from maitre.settings import House, WebUI
from provisioning.logins import administrator
from provisioning.resources.settings import BATCH

#: Needs an embedding model, a search engine, speech or picture models, a code sandbox, or the world outside.
OFF = (
    "ENABLE_OLLAMA_API", "ENABLE_WEB_SEARCH", "ENABLE_IMAGE_GENERATION", "ENABLE_IMAGE_EDIT",
    "ENABLE_IMAGE_PROMPT_GENERATION", "ENABLE_CODE_EXECUTION", "ENABLE_CODE_INTERPRETER", "ENABLE_MEMORIES",
    "ENABLE_SEARCH_QUERY_GENERATION", "ENABLE_RETRIEVAL_QUERY_GENERATION", "ENABLE_AUTOCOMPLETE_GENERATION",
    "ENABLE_DIRECT_CONNECTIONS", "ENABLE_DIRECT_INTEGRATIONS", "ENABLE_COMMUNITY_SHARING",
    "ENABLE_VERSION_UPDATE_CHECK", "ENABLE_EVALUATION_ARENA_MODELS", "ENABLE_GOOGLE_DRIVE_INTEGRATION",
    "ENABLE_ONEDRIVE_INTEGRATION", "ENABLE_AUTOMATIONS", "ENABLE_SUBAGENTS",
    "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS", "ENABLE_CALENDAR", "ENABLE_USER_STATUS",
    "ENABLE_PUBLIC_ACTIVE_USERS_COUNT", "ENABLE_EASTER_EGGS",
    *(f"USER_PERMISSIONS_CHAT_{name}" for name in ("WEB_UPLOAD", "STT", "TTS", "CALL")),
    *(f"USER_PERMISSIONS_FEATURES_{name}" for name in
      ("WEB_SEARCH", "IMAGE_GENERATION", "CODE_INTERPRETER", "MEMORIES", "AUTOMATIONS", "DIRECT_TOOL_SERVERS")),
)  # fmt: skip


#: A secret of the house in a template.
SECRET = re.compile(r"\{secret\.([a-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables of a process. A value of `secret` is a template: `{secret.NAME}` stands for a secret of the house."""

    plain: Mapping[str, str]
    secret: Mapping[str, str]


def wanted(house: House, url: str, models: str, embeddings: str | None) -> Environment:
    """Open WebUI's environment. `url`: where browsers find it; `models`: the API of the part that it asks for our
    models; `embeddings`: the API that makes the embeddings of its own files, None where nothing searches in them."""
    admin = administrator(house)
    key = "gateway_key" if house.webui.connection == "gateway" else "pipelines_key"
    rag = house.rag if embeddings is not None else None
    plain = {
        "WEBUI_NAME": house.webui.name,
        "WEBUI_URL": url,
        "CORS_ALLOW_ORIGIN": url,
        "WEBUI_ADMIN_EMAIL": admin.email,
        "WEBUI_ADMIN_NAME": admin.name,
        "OPENAI_API_BASE_URLS": models,
        # Our host and our gateway believe nobody but this: who asks, signed for every call.
        "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
        "ENABLE_VALVE_ENCRYPTION": "true",  # the Function's valves hold the secret of our stamps
        "RAG_EMBEDDING_ENGINE": "openai",  # else it loads a model that is not there
        **(_NO_EMBEDDINGS if rag is None else {"RAG_OPENAI_API_BASE_URL": str(embeddings), **_embeddings(rag)}),
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "ANONYMIZED_TELEMETRY": "false",
        "DO_NOT_TRACK": "true",
        "SCARF_NO_ANALYTICS": "true",
        "GLOBAL_LOG_LEVEL": "WARNING",
        **dict.fromkeys(OFF, "false"),
        **{name: str(value).lower() for name, value in _on(house.webui).items()},
    }
    secret = {
        "WEBUI_SECRET_KEY": "{secret.webui_secret_key}",
        "WEBUI_ADMIN_PASSWORD": "{secret.webui_admin_password}",
        "OPENAI_API_KEYS": f"{{secret.{key}}}",
        "FORWARD_USER_INFO_HEADER_JWT_SECRET": "{secret.user_jwt}",
        **({} if rag is None else {"RAG_OPENAI_API_KEY": "{secret.gateway_key}"}),
    }
    return Environment(plain, secret)


#: Nothing is searched in files.
_NO_EMBEDDINGS = {"BYPASS_EMBEDDING_AND_RETRIEVAL": "true", "USER_PERMISSIONS_CHAT_FILE_UPLOAD": "false"}


def _on(wish: WebUI) -> dict[str, bool]:
    return {
        "ENABLE_SIGNUP": wish.sign_up,
        "ENABLE_TITLE_GENERATION": wish.title_generation,
        "ENABLE_TAGS_GENERATION": wish.tags_generation,
        "ENABLE_FOLLOW_UP_GENERATION": wish.follow_up_generation,
        "ENABLE_API_KEYS": wish.api_keys,
        "USER_PERMISSIONS_FEATURES_API_KEYS": wish.api_keys,
    }


def _embeddings(rag: Rag) -> dict[str, str]:
    """How the embeddings of its own files are made."""
    query, passage = rag.query, rag.passage
    told = {
        "RAG_EMBEDDING_MODEL": rag.embedding,
        "RAG_EMBEDDING_BATCH_SIZE": str(BATCH),
        "ENABLE_ASYNC_EMBEDDING": "false",
    }
    if query.input_type and passage.input_type:
        told |= {"RAG_EMBEDDING_PREFIX_FIELD_NAME": "input_type"}
        told |= {"RAG_EMBEDDING_QUERY_PREFIX": query.input_type, "RAG_EMBEDDING_CONTENT_PREFIX": passage.input_type}
    elif query.prefix or passage.prefix:
        told |= {"RAG_EMBEDDING_QUERY_PREFIX": query.prefix, "RAG_EMBEDDING_CONTENT_PREFIX": passage.prefix}
    return told
