"""What each generated secret is for, who reads it, and what a new value of it costs. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """One secret. `parts`: who reads it. `role`: the Postgres role whose password it is.

    `loses`: what a new value makes unreadable or ends, as a sentence; empty: nothing that lasts. `elsewhere`: why a
    new value here would be of no use, and what to do instead. `then`: what is left to do by hand. `seed`: Open WebUI
    must be told by `cli seed`. `together`: secrets that mean something only beside this one. `gap`: which requests
    fail in a deployed stack from the first container with the new value to the last; empty: none of a guest's.
    """

    purpose: str
    parts: tuple[str, ...]
    role: str | None = None
    loses: str = ""
    elsewhere: str = ""
    then: str = ""
    seed: bool = False
    together: tuple[str, ...] = ()
    gap: str = ""


_ENGINES = ("gateway", "pipelines")
_OPEN_WEBUI_AWAY = "Open WebUI is away while it starts anew."
_LITELLM_AWAY = "LiteLLM is away while it starts anew, and with it the models behind it."
_LANGFUSE = ("langfuse_web", "langfuse_worker")

USES: Mapping[str, Use] = {
    "stamp": Use("signs what kind of turn a browser's is", _ENGINES, seed=True),
    "pipelines_key": Use(
        "Open WebUI's key to the Pipelines host",
        ("open_webui", "pipelines"),
        seed=True,
        gap="Until Open WebUI, which may start anew, has been told, the Pipelines host refuses it: chats fail where"
        " that is its connection.",
    ),
    "gateway_key": Use(
        "Open WebUI's key to the gateway",
        ("open_webui", "gateway"),
        seed=True,
        gap="Until Open WebUI, which may start anew, has been told, the gateway refuses it: searches in guests' own"
        " files fail, and chats where that is its connection.",
    ),
    "metrics_key": Use("opens /metrics", ("gateway",), then="Give the new key to whoever reads /metrics."),
    "rag_key": Use(
        "between the engines and the RAG service; also seals the addresses of tables that are being imported",
        (*_ENGINES, "rag", "rag_worker"),
        then="An import that was under way must be asked for again.",
        gap="Until the engines and the RAG service all have it, questions to documents, uploads and imports fail.",
    ),
    "sealing_key": Use(
        "seals the providers' keys in the database",
        _ENGINES,
        loses="Every provider key in the database becomes unreadable: put each in again with"
        " `cli provider key set NAME`.",
    ),
    "user_jwt": Use(
        "Open WebUI signs with it who asks",
        ("open_webui", *_ENGINES),
        gap="Open WebUI is away while it starts anew, and its chats fail until whom it asks has the new value, too.",
    ),
    "key_tokens": Use(
        "signs the short-lived tokens of API keys",
        ("gateway",),
        then="Clients with a token exchange their key for a new one.",
    ),
    "postgres_password": Use(
        "of the role maitre; in an embedded house the RAG service signs in as it, too",
        (*_ENGINES, "rag", "rag_worker"),
        role="maitre",
        gap="Until a service has it, it can open no new connection to Postgres, and a request that needs one fails.",
    ),
    "valkey_password": Use("of Valkey", ("valkey", *_ENGINES)),
    "webui_secret_key": Use(
        "signs Open WebUI's sessions and encrypts what it keeps secret",
        ("open_webui",),
        loses="Everybody is signed out of Open WebUI, two-factor logins must be set up again, and valves of Functions"
        " become unreadable: `cli seed` sets ours again, other people's must be filled in again.",
        seed=True,
        gap=_OPEN_WEBUI_AWAY,
    ),
    "webui_admin_password": Use(
        "of Open WebUI's administrator",
        ("open_webui",),
        elsewhere="Open WebUI keeps this password itself. Change it there (Settings, Account), then write it into"
        " .maitre/secrets/webui_admin_password, or for a demo user into .maitre/logins.json.",
    ),
    "langfuse_public_key": Use(
        "names the project that traces go to", (*_ENGINES, "traces", "langfuse_web"), together=("langfuse_secret_key",)
    ),
    "langfuse_secret_key": Use(
        "lets traces into the project", (*_ENGINES, "traces", "langfuse_web"), together=("langfuse_public_key",)
    ),
    "postgres_superuser_password": Use(
        "of Postgres's superuser",
        ("postgres",),
        role="postgres",
        gap="Postgres is away while it starts anew, and requests that need it fail.",
    ),
    "open_webui_db_password": Use("of the role open_webui", ("open_webui",), role="open_webui", gap=_OPEN_WEBUI_AWAY),
    "rag_db_password": Use(
        "of the role rag",
        ("rag", "rag_worker"),
        role="rag",
        gap="Until the RAG service has it, it can open no new connection to Postgres, and a question that needs one"
        " fails.",
    ),
    "dashboard_password": Use(
        "of the user admin at Traefik's dashboard and other closed pages",
        ("traefik",),
        gap="Traefik is away while it starts anew, and nobody reaches the house.",
    ),
    "langfuse_db_password": Use("of the role langfuse", _LANGFUSE, role="langfuse"),
    "langfuse_salt": Use(
        "Langfuse hashes its API keys with it",
        _LANGFUSE,
        loses="Langfuse knows none of its API keys any more: make new ones in its project settings.",
    ),
    "langfuse_encryption_key": Use(
        "Langfuse encrypts with it what it keeps secret",
        _LANGFUSE,
        loses="Langfuse cannot read the keys of model providers and other services that were put into it: put them in"
        " again.",
    ),
    "langfuse_nextauth_secret": Use("signs Langfuse's sessions", ("langfuse_web",), then="Everybody signs in anew."),
    "langfuse_admin_password": Use(
        "of Langfuse's first user",
        ("langfuse_web",),
        elsewhere="Langfuse keeps this password itself, and reads ours only when it makes its first user. Change it"
        " there.",
    ),
    "clickhouse_password": Use("of ClickHouse", ("clickhouse", *_LANGFUSE)),
    "minio_root_password": Use("of MinIO", ("minio", *_LANGFUSE)),
    "valkey_queues_password": Use("of the second Valkey", ("valkey_queues", *_LANGFUSE)),
    "litellm_master_key": Use(
        "LiteLLM's own key; encrypts what was put in by its pages",
        ("litellm",),
        loses="LiteLLM cannot read the keys of models that were put in by its pages: put them in again.",
        then="Give the new key to LiteLLM's clients.",
        gap=_LITELLM_AWAY,
    ),
    "litellm_db_password": Use("of the role litellm", ("litellm",), role="litellm", gap=_LITELLM_AWAY),
}
