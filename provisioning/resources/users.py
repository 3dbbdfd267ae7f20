"""Users of Open WebUI: those of maitre.yaml exist and have their role. Names and passwords are set once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from maitre.settings import User
from provisioning.change import Change
from provisioning.openwebui_http import OpenWebUI
from provisioning.world import World


@dataclass(frozen=True, slots=True)
class WebUser:
    """A user as Open WebUI has them."""

    id: str
    email: str
    name: str
    role: str
    groups: frozenset[str] = frozenset()  # ids of the groups that they are directly in


@dataclass(frozen=True, slots=True)
class WantedUser:
    """A user that Open WebUI should have. Without a password nobody can be made."""

    email: str
    name: str
    role: str
    demo: bool
    password: str | None = field(default=None, repr=False)


def wanted(users: Sequence[User], passwords: Mapping[str, str]) -> list[WantedUser]:
    """The users of maitre.yaml. Open WebUI knows only administrators and users."""
    return [
        WantedUser(
            user.email, user.name, "admin" if user.role == "admin" else "user", user.demo, passwords.get(user.email)
        )
        for user in users
    ]


def read(web: OpenWebUI) -> dict[str, WebUser]:
    """Every user by e-mail."""
    users: dict[str, WebUser] = {}
    page = 1
    while True:
        answer = web.get("/api/v1/users/", page=page)
        for row in answer["users"]:
            groups = frozenset(row.get("group_ids") or ())
            users[row["email"].lower()] = WebUser(row["id"], row["email"].lower(), row["name"], row["role"], groups)
        if not answer["users"] or len(users) >= answer["total"]:
            return users
        page += 1


def diff(wanted: Sequence[WantedUser], live: Mapping[str, WebUser]) -> list[Change]:
    """Make demo users that are missing, mend roles, and say who only the operator can bring in."""
    changes = []
    for user in wanted:
        there = live.get(user.email)
        if there is None and user.password is not None:
            sentence = f"Make the {user.role} {user.email} in Open WebUI."
            changes.append(Change("users", "create", user.email, sentence, user))
        elif there is None and user.demo:
            sentence = f"{user.email} has no password in .maitre/logins.json: run `cli init`, then `cli seed` again."
            changes.append(Change("users", "skip", user.email, sentence))
        elif there is None:
            sentence = (
                f"{user.email} is not in Open WebUI yet: let them sign up, or add them in its admin panel,"
                " then run `cli seed` again."
            )
            changes.append(Change("users", "skip", user.email, sentence))
        elif there.role != user.role:
            sentence = f"Change the role of {user.email} in Open WebUI from {there.role} to {user.role}."
            changes.append(Change("users", "update", user.email, sentence, user))
    return changes


def apply(change: Change, world: World) -> None:
    """Carry one change out; a new user's id is noted for the changes that follow."""
    user: WantedUser = change.payload
    if change.action == "create":
        answer = world.web.post(
            "/api/v1/auths/add",
            {"name": user.name, "email": user.email, "password": user.password, "role": user.role},
        )
        world.user_ids[user.email] = answer["id"]
    else:
        world.web.post(f"/api/v1/users/{world.user_ids[user.email]}/update", {"role": user.role})
