"""Where a house's secrets are, and which of them a store's URL lacks."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

#: Where Docker mounts a container's secrets; MAITRE_SECRETS_DIR names another folder.
MOUNTED = "/run/secrets"


def find_secret(directory: Path, name: str) -> str | None:
    """A secret: the environment's MAITRE_SECRET_<NAME>, else the file `/run/secrets/<name>` of a container, else
    `.maitre/secrets/<name>`; None if it is nowhere."""
    if value := os.environ.get(f"MAITRE_SECRET_{name.upper()}"):
        return value
    mounted = Path(os.environ.get("MAITRE_SECRETS_DIR") or MOUNTED)
    for folder in (mounted, directory / ".maitre" / "secrets"):
        try:
            value = (folder / name).read_text("utf-8").strip()
        except (OSError, ValueError):
            continue
        if value:
            return value
    return None


def password_name(part: str, url: str) -> str | None:
    """The secret with the password that a store's URL lacks: of Valkey `valkey_password`, of the Postgres role `maitre`
    `postgres_password`, of another role `<role>_db_password`. None if it lacks none, or is no store's."""
    told = urlsplit(url)
    if told.password is not None or part not in ("postgres", "valkey"):
        return None
    role = unquote(told.username or "")
    return f"{part}_password" if part == "valkey" or role in ("", "maitre") else f"{role}_db_password"


def with_password(url: str, password: str) -> str:
    """The URL with a password, percent-encoded."""
    told = urlsplit(url)
    host = told.netloc.rpartition("@")[2]
    return urlunsplit(told._replace(netloc=f"{told.username or ''}:{quote(password, safe='')}@{host}"))
