"""AES-256-GCM around a provider's key, with the house's secret `sealing_key` (cryptography)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from maitre.errors import HouseError

#: The nonce that AES-GCM asks for. Bytes.
NONCE = 12


class AesGcmSeal:
    """Closes and opens keys. The secret is asked for, and the library loaded (8 MB), when the first key is."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret

    def close(self, name: str, key: str) -> bytes:
        """The key, sealed: a fresh nonce, and what it was encrypted to. The name is authenticated with it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE)
        return nonce + AESGCM(self._key()).encrypt(nonce, key.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> str:
        """The key. Raises HouseError when it was sealed with another secret, under another name, or was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            opened = AESGCM(self._key()).decrypt(sealed[:NONCE], sealed[NONCE:], name.encode())
        except (InvalidTag, ValueError) as fault:
            raise HouseError(
                f"The provider key “{name}” does not open with this house's secret “sealing_key”."
                f" `cli provider key set {name}` puts it in anew."
            ) from fault
        return opened.decode()

    def _key(self) -> bytes:
        return hashlib.sha256(b"maitre provider keys:" + self._secret().encode()).digest()
