"""The services' copies of their secrets on the disk: each readable by one service's user only.

Compose mounts them at /run/secrets. The house's own files in `.maitre/secrets` are mounted nowhere.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import bcrypt

from compose.render.secret_copy import Copy
from maitre.errors import HouseError
from maitre.settings import GENERATED_SECRETS, House
from provisioning.derived import percent_encoded, scram_verifier, verifies
from provisioning.durable import write_whole
from provisioning.logins import LOGINS, administrator_of, passwords_of

#: Who signs in to the dashboard.
USER = "admin"
#: Of bcrypt. Every request of a closed page pays it, a stranger's too (at 10 it is 63 ms of Traefik's one core), and
#: a random password of 256 bits needs none.
COST = 4


def value_of(house: House, name: str) -> str:
    """A secret of the house, as a service gets it. Raises HouseError if it is missing or others may read its file."""
    home = house.state / "secrets"
    logins = house.state / "logins.json"
    for file in (home, logins if name == LOGINS else home / name):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise HouseError(f"Others than its owner may read {file}; close it: chmod go= {file}")
    if name == "webui_admin_password":
        return administrator_of(house, passwords_of(house))[1]
    if name == LOGINS:
        return json.dumps([{"email": email, "password": word} for email, word in sorted(passwords_of(house).items())])
    try:
        return house.secret(name)
    except HouseError:
        if name in GENERATED_SECRETS:
            raise
        raise HouseError(f"The secret “{name}” is missing: put it into {home / name} (mode 600).") from None


def write_copies(folder: Path, wanted: Mapping[str, Copy], value: Callable[[str], str]) -> tuple[str, ...]:
    """Make the folder hold the wanted copies; the paths of those that were written. Those that are right stay the same
    files, and so do others. Every source is read before anything is written, so that a missing one leaves all as it
    was. Raises HouseError."""
    values = {source: value(source) for source in sorted({copy.source for copy in wanted.values()})}
    foreign = {copy.owner for copy in wanted.values()} - {os.geteuid()}
    if foreign and os.geteuid() != 0:
        raise HouseError(
            "Each service's copies of its secrets belong to a user of its own, which only root can arrange;"
            " run it with sudo."
        )
    texts = {path: _text(folder / path, path, copy, values[copy.source]) for path, copy in wanted.items()}
    _folder(folder, 0o700)
    return tuple(path for path, copy in wanted.items() if _put(folder, path, texts[path], copy.owner))


def write_copy(folder: Path, path: str, copy: Copy, value: str) -> bool:
    """Write one copy, unless it is right already; whether it was written. Raises HouseError."""
    return _put(folder, path, _text(folder / path, path, copy, value), copy.owner)


def _text(file: Path, path: str, copy: Copy, value: str) -> str:
    """What the copy holds. Of forms with a salt the one that is there, if it is of this value."""
    there = _read(file)
    try:
        match copy.form:
            case "plain":
                return value + "\n"
            case "url":
                return percent_encoded(value) + "\n"
            case "scram":
                return there if verifies(there.strip(), value) else scram_verifier(value, os.urandom(16)) + "\n"
            case "users":
                return there if _signs_in(there, value) else f"{USER}:{_hashed(value)}\n"
    except (HouseError, ValueError) as unfit:
        raise HouseError(f"The secret “{copy.source}” cannot be used for {path}: {unfit}") from unfit


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""


def _hashed(password: str) -> str:
    # Traefik knows the prefix of other makers' bcrypt; the algorithm is the same.
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode("ascii").replace("$2b$", "$2y$", 1)


def _signs_in(line: str, password: str) -> bool:
    user, _, hashed = line.strip().partition(":")
    try:
        return user == USER and bcrypt.checkpw(password.encode(), hashed.encode())
    except ValueError:
        return False


def _put(folder: Path, path: str, text: str, owner: int) -> bool:
    """Write a copy unless it is right already; whether it was written. A reader sees the old file or the new one."""
    file = folder / path
    for parent in reversed([one for one in file.parents if folder in one.parents]):
        _folder(parent, 0o711)  # Postgres, which gets a whole folder, passes through it
    if _closed(file, owner) and _read(file) == text:
        return False
    write_whole(file, text, 0o400, owner)
    return True


def amiss(folder: Path, wanted: Mapping[str, Copy]) -> tuple[str, ...]:
    """The paths of the wanted copies that are not there, or that others than their service may read. What they hold is
    not looked at."""
    return tuple(sorted(path for path, copy in wanted.items() if not _closed(folder / path, copy.owner)))


def _closed(file: Path, owner: int) -> bool:
    try:
        told = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(told.st_mode) and (stat.S_IMODE(told.st_mode), told.st_uid) == (0o400, owner)


def _folder(folder: Path, mode: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)


def remove_others(folder: Path, wanted: Mapping[str, Copy]) -> tuple[str, ...]:
    """Remove what is none of the wanted copies; the paths of what is gone."""
    removed = []
    for file in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        path = str(file.relative_to(folder))
        if file.is_dir() and not file.is_symlink():
            if not any(file.iterdir()):
                file.rmdir()
        elif path not in wanted:
            file.unlink()
            removed.append(path)
    return tuple(sorted(removed))
