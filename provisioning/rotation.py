"""A new value for a secret, so that the house works at every moment in which the command may be killed.

The new value is written aside first. A database learns its role's new password before the file is renamed; whoever is
killed in between finds the value aside at the next try, and goes on with that one. Until then `broken_off` names it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from maitre.errors import HouseError
from maitre.settings import House
from provisioning.durable import rename_whole, write_whole
from provisioning.secret_uses import USES, Use

#: What a file of a secret may be called.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Roles(Protocol):
    """Where the house's Postgres is told of passwords."""

    def set_password(self, role: str, password: str) -> None:
        """From now on the role signs in with this password and no other. That it does already is no fault. Raises
        HouseError when Postgres cannot be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Rotated:
    """The secrets that have new values, and who reads them."""

    names: tuple[str, ...]
    use: Use


def rotate(house: House, name: str, fresh: Callable[[str], str], roles: Roles, *, accept_loss: bool = False) -> Rotated:
    """Give a secret a new value. `fresh`: makes one, by the secret's name; `accept_loss`: though something becomes
    unreadable. Raises HouseError with one sentence; then the old value is still in force."""
    use = _use(house, name)
    if use.loses and not accept_loss:
        raise HouseError(f"{use.loses} `--accept-loss` rotates it all the same.")
    names = (name, *use.together)
    for one in names:
        if f"MAITRE_SECRET_{one.upper()}" in os.environ:
            raise HouseError(f"MAITRE_SECRET_{one.upper()} goes before the file; change it where that is set.")
    home = house.state / "secrets"
    values = {one: _aside(home, one, fresh) for one in names}
    if use.role is not None:
        roles.set_password(use.role, values[name])
    for one in names:
        rename_whole(_next(home, one), home / one)
    return Rotated(names, use)


def waiting(house: House, name: str) -> str | None:
    """The new value that a broken-off rotation has left aside; None where there is none, and where the environment
    decides what the value is."""
    if f"MAITRE_SECRET_{name.upper()}" in os.environ:
        return None
    try:
        return _next(house.state / "secrets", name).read_text("utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def broken_off(house: House) -> tuple[str, ...]:
    """The secrets whose rotation was broken off; of those that are rotated together the first. Whether the database
    knows the old value or the new one cannot be told from here."""
    found = [name for name in USES if waiting(house, name) is not None]
    return tuple(name for number, name in enumerate(found) if not {*USES[name].together}.intersection(found[:number]))


def again(name: str) -> str:
    """What finishes a broken-off rotation, as the words of a command."""
    return f"cli secrets rotate {name}" + (" --accept-loss" if USES[name].loses else "")


def take_waiting(house: House) -> None:
    """Make every value that waits aside the secret; its database must be told afterwards."""
    for name in USES:
        if waiting(house, name) is not None:
            _next(house.state / "secrets", name).replace(house.state / "secrets" / name)


def _use(house: House, name: str) -> Use:
    file = house.state / "secrets" / name
    if name in house.asked_secrets or (name not in USES and _NAME.fullmatch(name) and file.is_file()):
        raise HouseError(f"“{name}” is not the house's own to make: write the new one into {file}.")
    if name not in USES:
        raise HouseError(f"There is no secret “{name}”. `cli secrets list` shows those that there are.")
    if USES[name].elsewhere:
        raise HouseError(USES[name].elsewhere)
    return USES[name]


def _next(home: Path, name: str) -> Path:
    return home / f".{name}.next"


def _aside(home: Path, name: str, fresh: Callable[[str], str]) -> str:
    """The value that waits aside; a rotation that was broken off left one, else it is made."""
    if not home.is_dir():
        raise HouseError(f"{home} is missing; `cli init` makes it.")
    waiting = _next(home, name)
    if waiting.is_file() and (value := waiting.read_text("utf-8").strip()):
        return value
    value = fresh(name)
    write_whole(waiting, value + "\n")
    return value
