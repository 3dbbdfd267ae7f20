"""How the stack's Postgres is told of a new password, while it runs and without anybody's being started anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from compose.layout import SECRETS
from compose.render.secret_copy import Copy
from compose.render.secret_files import write_copy
from compose.render.secrets import POSTGRES, ROLES


class StackRoles:
    """The roles of a deployed stack. `stack`: its rendered folder; `owner`: the number of Postgres's user; `ensure`:
    runs the script of compose/render/postgres_init.py in it, and raises HouseError when that fails."""

    def __init__(self, stack: Path, owner: int, ensure: Callable[[], None]) -> None:
        self._folder, self._owner, self._ensure = stack / SECRETS, owner, ensure

    def set_password(self, role: str, password: str) -> None:
        """Give the role this password. A role that this stack does not have is left alone."""
        path = f"{POSTGRES}/{ROLES}/{role}"
        if (self._folder / path).exists():
            write_copy(self._folder, path, Copy(role, "scram", self._owner), password)
            self._ensure()
