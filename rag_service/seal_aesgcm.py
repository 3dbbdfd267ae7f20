"""AES-256-GCM around the address of a table that is to be imported, with the service's key (cryptography)."""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag_service.errors import Refused

#: The nonce that AES-GCM asks for. Bytes.
NONCE = 12


class Seal:
    """Closes and opens addresses. `key`: the house's secret `rag_key`; what is sealed has a key of its own, made of
    it."""

    def __init__(self, key: str) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"maitre rag imports:" + key.encode()).digest())

    def close(self, collection: int, source: str, dsn: str) -> bytes:
        """The address, sealed: a fresh nonce, and what it was encrypted to. Where its table is to go, and the table's
        name, are authenticated with it."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, dsn.encode(), _told(collection, source))

    def open(self, collection: int, source: str, sealed: bytes) -> str:
        """The address. Raises Refused when it was sealed with another key, for another import, or was changed."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], _told(collection, source)).decode()
        except (InvalidTag, ValueError) as fault:
            raise Refused(
                409,
                "changed_key",
                f"The address of “{source}” does not open with this house's secret “rag_key”."
                " Ask for the import again.",
            ) from fault


def _told(collection: int, source: str) -> bytes:
    return f"{collection}/{source}".encode()
