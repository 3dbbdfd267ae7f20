"""A house's first hour: its files from the example, its secrets, and passwords for its demo users.

Everything is made only where it is missing; nothing that exists is ever changed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from devstack.places import EXAMPLE_HOUSE, folder, state_folder, write_private
from maitre.errors import HouseError
from maitre.house.secrets import find_secret
from maitre.settings import GENERATED_SECRETS, STACK_SECRETS, House

#: Secrets that an older house lacks and that `cli up` may make for it.
NEW_SECRETS = (
    *("user_jwt", "key_tokens", "gateway_key", "metrics_key", "rag_key", "sealing_key"),
    *STACK_SECRETS,
)

PREFIXES = {"langfuse_public_key": "pk-lf-", "langfuse_secret_key": "sk-lf-", "litellm_master_key": "sk-"}

#: Langfuse takes nothing else for it: 32 bytes in hexadecimal digits.
HEXADECIMAL = ("langfuse_encryption_key",)


def fresh(name: str) -> str:
    """A new value of a secret, of 256 random bits; none holds a sign that means something in a URL or to a shell."""
    if name in HEXADECIMAL:
        return secrets.token_hex(32)
    return PREFIXES.get(name, "") + secrets.token_urlsafe(32)


def example() -> dict[str, bytes]:
    """The files of the example house by path. The example in this copy of Maitre is the only source."""
    if not (EXAMPLE_HOUSE / "maitre.yaml").is_file():
        raise HouseError(
            f"This copy of Maitre has no example house ({EXAMPLE_HOUSE} is missing). Run it from its clone."
        )
    files = ((path.relative_to(EXAMPLE_HOUSE), path) for path in sorted(EXAMPLE_HOUSE.rglob("*")) if path.is_file())
    return {str(name): path.read_bytes() for name, path in files if name.parts[0] != ".maitre"}


def write_house(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """Give a folder without a house these files, but those that are there; their names."""
    if (directory / "maitre.yaml").exists():
        return []
    made = [name for name in files if not (directory / name).exists()]
    for name in made:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(files[name])
    return made


def copy_example(directory: Path) -> list[str]:
    """Give a folder without a house the example's files; their names."""
    return [] if (directory / "maitre.yaml").exists() else write_house(directory, example())


def make_secrets(directory: Path) -> list[str]:
    """Generate the secrets that are missing; their names."""
    state = state_folder(directory / ".maitre")
    if not (state / ".gitignore").exists():
        (state / ".gitignore").write_text("*\n")
    home, made = folder(state / "secrets"), []
    for name in GENERATED_SECRETS:
        if not (home / name).exists():
            write_private(home / name, fresh(name) + "\n")
            made.append(name)
    return made


def add_new_secrets(house: House) -> list[str]:
    """Generate the secrets that came with a later version; their names. Nothing stored depends on them but providers'
    keys, and what a lost `sealing_key` had sealed says so, whether there is a new one or none."""
    home, made = house.state / "secrets", []
    for name in NEW_SECRETS:
        if home.is_dir() and find_secret(house.directory, name) is None:
            write_private(home / name, fresh(name) + "\n")
            made.append(name)
    return made


def make_logins(house: House) -> list[str]:
    """Make up a password for every demo user without one; their e-mails."""
    file = house.state / "logins.json"
    try:
        logins = json.loads(file.read_text("utf-8")) if file.exists() else []
        known = {login["email"] for login in logins}
    except (OSError, ValueError, KeyError, TypeError) as spoilt:
        raise HouseError(f"{file} cannot be read ({spoilt}). Mend it or delete it.") from spoilt
    fresh = [user for user in house.users if user.demo and user.email not in known]
    if fresh:
        more = [{"email": user.email, "password": secrets.token_urlsafe(12), "plan": user.plan} for user in fresh]
        write_private(file, json.dumps([*logins, *more], indent=2) + "\n")
    return [user.email for user in fresh]
