"""Who keeps data in the stack's Postgres: each a role and a database of the same name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

#: The role that may do everything, over the server's own socket and with its password.
SUPERUSER, SUPERUSER_SECRET = "postgres", "postgres_superuser_password"


@dataclass(frozen=True, slots=True)
class Consumer:
    """One of them. `secret`: its password; `extensions`: what only the superuser may add to its database;
    `profile`: of which profile of the stack it is, None: of the core."""

    role: str
    secret: str
    extensions: tuple[str, ...] = ()
    profile: str | None = None


EVERY = (
    Consumer("maitre", "postgres_password"),
    Consumer("rag", "rag_db_password", ("pg_trgm", "vector")),
    Consumer("open_webui", "open_webui_db_password"),
    Consumer("langfuse", "langfuse_db_password", profile="langfuse"),
    Consumer("litellm", "litellm_db_password", profile="litellm"),
)


def consumers(profiles: Collection[str]) -> tuple[Consumer, ...]:
    """Those of a house with these profiles."""
    return tuple(one for one in EVERY if one.profile is None or one.profile in profiles)


def passwords(wanted: Collection[Consumer]) -> dict[str, str]:
    """Role -> the secret with its password, the superuser's too."""
    return {SUPERUSER: SUPERUSER_SECRET} | {one.role: one.secret for one in wanted}
