"""Signing in: passwords of demo users from `.maitre/logins.json`, of another administrator from the house's secret."""

from __future__ import annotations

import json
import os

from maitre.errors import HouseError
from maitre.house.secrets import find_secret
from maitre.settings import House, User
from provisioning.openwebui_http import OpenWebUI

#: The secret that is the file's content where a container does not see the file.
LOGINS = "logins"


def passwords_of(house: House) -> dict[str, str]:
    """Passwords of demo users by e-mail; none where `cli init` made none."""
    file = house.state / "logins.json"
    try:
        logins = json.loads(find_secret(house.directory, LOGINS) or file.read_text("utf-8"))
        known = {str(login["email"]).lower(): str(login["password"]) for login in logins}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise HouseError(f"{file} cannot be read: {broken}. `cli init` writes it anew.") from broken
    return {user.email: known[user.email] for user in house.users if user.demo and user.email in known}


def administrator(house: House) -> User:
    """The first user of maitre.yaml with the role admin. Raises HouseError when there is none."""
    admin = next((user for user in house.users if user.role == "admin"), None)
    if admin is None:
        raise HouseError("maitre.yaml names no user with the role admin; `cli seed` signs in as the first one.")
    return admin


def administrator_of(house: House, passwords: dict[str, str]) -> tuple[str, str]:
    """The administrator's e-mail and password, with which to sign in."""
    admin = administrator(house)
    return admin.email, passwords.get(admin.email) or house.secret("webui_admin_password")


def signed_in(house: House, web: OpenWebUI, passwords: dict[str, str]) -> None:
    """Sign in as the house's administrator.

    The token is kept in `.maitre/open-webui-token` (mode 600): Open WebUI takes only 15 sign-ins of one user in
    three minutes.
    """
    email, password = administrator_of(house, passwords)
    file = house.state / "open-webui-token"
    if file.is_file() and web.resume(email, file.read_text("utf-8").strip()):
        return
    token = web.sign_in(email, password)
    file.parent.mkdir(mode=0o711, exist_ok=True)  # as `cli up` makes it: Postgres, which is not root, passes through
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as private:
        private.write(token + "\n")
