"""Where a Valkey is and how to sign in, from its URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from maitre.errors import ConfigError

PORT = 6379


@dataclass(frozen=True, slots=True)
class Address:
    """A server: `path` is that of a Unix socket, otherwise `host` and `port` count."""

    host: str = ""
    port: int = PORT
    path: str = ""
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0


def address(url: str) -> Address:
    """Read `redis://`, `rediss://` (TLS) `[user][:password]@host[:port][/database]`, or `unix://…@/path[?db=…]`.

    ConfigError when the URL is none of these; its text does not repeat the URL, which holds the password.
    """
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        port = parts.port or PORT
        socket = parts.scheme == "unix"
        database = int((query.pop("db", "") if socket else parts.path.strip("/")) or 0)
    except ValueError:
        raise _wrong("its port or its database is no number") from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise _wrong("it must begin with redis://, rediss:// or unix://")
    if query:
        raise _wrong(f"it does not understand {', '.join(sorted(query))}")
    if not (parts.path if socket else parts.hostname):
        raise _wrong("it names no place")
    if database < 0:
        raise _wrong("its database is negative")
    return Address(
        host="" if socket else parts.hostname or "",
        port=port,
        path=unquote(parts.path) if socket else "",
        tls=parts.scheme == "rediss",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database,
    )


def _wrong(what: str) -> ConfigError:
    return ConfigError([f"the URL of Valkey: {what}."])
