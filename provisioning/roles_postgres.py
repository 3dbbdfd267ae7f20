"""A role changes its own password in the Postgres of an embedded house (asyncpg)."""

from __future__ import annotations

import asyncio
import os
import re

import asyncpg

from maitre.errors import HouseError
from maitre.house.secrets import with_password
from maitre.settings import House
from provisioning.derived import scram_verifier

#: What a verifier is made of; nothing in it means anything to SQL.
_VERIFIER = re.compile(r"SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")

#: The only role of an embedded house that signs in with a password of its own.
OWN = "maitre"


class OwnRole:
    """The embedded house's Postgres, in which `maitre` is the only role that has a secret."""

    def __init__(self, house: House) -> None:
        self._house = house

    def set_password(self, role: str, password: str) -> None:
        """Change it as the role itself; a role of the stack in containers is not here, and left alone."""
        if role != OWN:
            return
        if os.environ.get("MAITRE_POSTGRES_URL"):
            raise HouseError(
                "MAITRE_POSTGRES_URL names another Postgres than the house's own; change the password there."
            )
        asyncio.run(self._set(password))

    async def _set(self, password: str) -> None:
        verifier = scram_verifier(password, os.urandom(16))
        assert _VERIFIER.fullmatch(verifier), "a verifier of ours"
        url = self._house.endpoint("postgres")
        try:
            try:
                connection = await asyncpg.connect(url, timeout=5)
            except asyncpg.InvalidPasswordError:
                # An earlier rotation was broken off just after this.
                connection = await asyncpg.connect(with_password(url, password), timeout=5)
            try:
                await connection.execute(f"ALTER ROLE {OWN} PASSWORD '{verifier}'")
            finally:
                await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError) as fault:
            raise HouseError(
                f"Postgres cannot be told of the new password ({fault}); the old one is in force."
            ) from fault
