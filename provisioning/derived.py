"""What is made of a secret for a service that wants it in another form. Pure: randomness is an argument."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote

from maitre.errors import HouseError

#: As Postgres's own default.
ITERATIONS = 4096
SCHEME = "SCRAM-SHA-256"


def percent_encoded(value: str) -> str:
    """For a URL's password."""
    return quote(value, safe="")


def scram_verifier(password: str, salt: bytes) -> str:
    """What Postgres keeps of a password (RFC 5803), by which it knows the password but nobody can sign in.

    Raises HouseError for a password that is not printable ASCII: others are written in several ways."""
    if not (password.isascii() and password.isprintable()):
        raise HouseError("A password of Postgres must be printable ASCII.")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"{SCHEME}${ITERATIONS}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def verifies(verifier: str, password: str) -> bool:
    """Whether a verifier of ours is of this password."""
    try:
        salt = base64.b64decode(verifier.split("$")[1].partition(":")[2], validate=True)
    except (IndexError, ValueError):
        return False
    return bool(salt) and hmac.compare_digest(scram_verifier(password, salt), verifier)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
