"""The types of ASGI, and what is read from its scopes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: bytes) -> list[bytes]:
    """Every value of a header, whose name is given in small letters."""
    return [value for key, value in scope["headers"] if key.lower() == name]
