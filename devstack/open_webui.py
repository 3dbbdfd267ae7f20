"""Open WebUI 0.12.4, unmodified, from an environment of its own without torch.

Its settings are rows of its database after the first start: what stands here is what it begins with, and
`cli seed` keeps the rest. What cannot work in this house is switched off here, not left to fail.
"""

from __future__ import annotations

from devstack.part import Part
from devstack.places import environment, folder, open_webui_python
from devstack.probe import http_json
from devstack.process import Command
from maitre.errors import HouseError
from maitre.settings import House
from provisioning.logins import administrator_of, passwords_of
from provisioning.resources.connection import Connection
from provisioning.resources.settings import BATCH, FileEmbeddings

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


def part(house: House, port: int, connection: Connection, files: FileEmbeddings | None) -> Part:
    """The house's Open WebUI. Its data lies in `.maitre/open-webui`. `files`: who makes the embeddings of its files."""
    home, python = house.state / "open-webui", open_webui_python()
    if not python.exists():
        raise HouseError(f"Open WebUI is not installed ({python} is missing). `make install` installs it.")
    words = (
        *(str(python), "-m", "uvicorn", "open_webui.main:app", "--host", "127.0.0.1", "--port", str(port)),
        *("--log-level", "warning", "--timeout-graceful-shutdown", "2"),
    )
    url = f"http://127.0.0.1:{port}"

    def prepare() -> None:
        for place in (home, home / "data", home / "static", home / "models"):
            folder(place)

    return Part(
        name="open_webui",
        title="Open WebUI 0.12.4",
        port=port,
        url=url,
        command=Command(words, house.state, environment(**settings(house, url, connection, files))),
        prepare=prepare,
        healthy=lambda: http_json(port, "/health") == {"status": True},
        patience=300,
    )


def settings(house: House, url: str, connection: Connection, files: FileEmbeddings | None) -> dict[str, str]:
    """Open WebUI's environment in this house."""
    home, wish = house.state / "open-webui", house.webui
    email, password = administrator_of(house, passwords_of(house))
    name = next(user.name for user in house.users if user.email == email)
    on = {
        "ENABLE_SIGNUP": wish.sign_up,
        "ENABLE_TITLE_GENERATION": wish.title_generation,
        "ENABLE_TAGS_GENERATION": wish.tags_generation,
        "ENABLE_FOLLOW_UP_GENERATION": wish.follow_up_generation,
        "ENABLE_API_KEYS": wish.api_keys,
        "USER_PERMISSIONS_FEATURES_API_KEYS": wish.api_keys,
    }
    return {
        "FROM_INIT_PY": "true",  # as its own `serve` sets: data, frontend and version as an installed package
        "DATA_DIR": str(home / "data"),
        "STATIC_DIR": str(home / "static"),  # else it writes into its installed package, which houses share
        "HF_HOME": str(home / "models"),
        "WEBUI_SECRET_KEY": house.secret("webui_secret_key"),
        "WEBUI_NAME": wish.name,
        "WEBUI_URL": url,
        "CORS_ALLOW_ORIGIN": url,
        "WEBUI_ADMIN_EMAIL": email,
        "WEBUI_ADMIN_PASSWORD": password,
        "WEBUI_ADMIN_NAME": name,
        "OPENAI_API_BASE_URLS": connection.url,
        "OPENAI_API_KEYS": connection.key,
        # Our host and our gateway believe nobody but this: who asks, signed for every call.
        "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
        "FORWARD_USER_INFO_HEADER_JWT_SECRET": house.secret("user_jwt"),
        "ENABLE_VALVE_ENCRYPTION": "true",  # the Function's valves hold the secret of our stamps
        "RAG_EMBEDDING_ENGINE": "openai",  # else it loads a model that is not there
        **_embeddings(house, files),
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "ANONYMIZED_TELEMETRY": "false",
        "DO_NOT_TRACK": "true",
        "SCARF_NO_ANALYTICS": "true",
        "GLOBAL_LOG_LEVEL": "WARNING",
        **dict.fromkeys(OFF, "false"),
        **{key: str(value).lower() for key, value in on.items()},
    }


def _embeddings(house: House, files: FileEmbeddings | None) -> dict[str, str]:
    """How the embeddings of its own files are made, or that nothing is searched in them."""
    if files is None or house.rag is None:
        return {"BYPASS_EMBEDDING_AND_RETRIEVAL": "true", "USER_PERMISSIONS_CHAT_FILE_UPLOAD": "false"}
    query, passage = house.rag.query, house.rag.passage
    told = {
        "RAG_OPENAI_API_BASE_URL": files.url,
        "RAG_OPENAI_API_KEY": files.key,
        "RAG_EMBEDDING_MODEL": files.model,
        "RAG_EMBEDDING_BATCH_SIZE": str(BATCH),
        "ENABLE_ASYNC_EMBEDDING": "false",
    }
    if query.input_type and passage.input_type:
        told |= {"RAG_EMBEDDING_PREFIX_FIELD_NAME": "input_type"}
        told |= {"RAG_EMBEDDING_QUERY_PREFIX": query.input_type, "RAG_EMBEDDING_CONTENT_PREFIX": passage.input_type}
    elif query.prefix or passage.prefix:
        told |= {"RAG_EMBEDDING_QUERY_PREFIX": query.prefix, "RAG_EMBEDDING_CONTENT_PREFIX": passage.prefix}
    return told
