"""One service's copy of a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: As it is; percent-encoded for a URL; what Postgres keeps of a password; `name:bcrypt` for Traefik.
Form = Literal["plain", "url", "scram", "users"]


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy is made of. `owner`: the number of the user that may read it."""

    source: str
    form: Form
    owner: int
