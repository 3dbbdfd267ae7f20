"""The connection from Open WebUI to the Pipelines server or the gateway, among those that an operator has besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maitre.settings import House
from provisioning.change import Change
from provisioning.openwebui_http import OpenWebUI
from provisioning.world import World

#: What Open WebUI starts with when nobody gave it a connection. Without a key it only delays every refresh.
_UNTOUCHED = ("https://api.openai.com/v1", "")


@dataclass(frozen=True, slots=True)
class Connection:
    """The Pipelines server, or the gateway, as Open WebUI reaches it."""

    url: str
    key: str = field(repr=False)
    gateway: bool = False

    @property
    def title(self) -> str:
        """What it leads to, in a sentence."""
        return "the gateway" if self.gateway else "the Pipelines server"

    @property
    def headers(self) -> dict[str, str]:
        """What Open WebUI shall send along; it fills in `{{…}}`."""
        return {GROUPS: "{{USER_GROUPS}}", **({TASK: "{{TASK}}"} if self.gateway else {})}


#: Tells of the guest's groups, which a router may look at (gateway/identity.py).
GROUPS = "X-Maitre-Groups"

#: Tells the gateway of a background task, which no stamp does (gateway/open_webui.py).
TASK = "X-Maitre-Task"


def connection_of(house: House, url: str) -> Connection:
    """The connection that the house wants, to its part at this address."""
    url = url.rstrip("/")
    if house.webui.connection == "gateway":
        return Connection(f"{url}/v1", house.secret("gateway_key"), gateway=True)
    return Connection(url, house.secret("pipelines_key"))


@dataclass(frozen=True, slots=True)
class _Entry:
    url: str
    key: str
    config: Mapping[str, Any]


def read(web: OpenWebUI) -> dict[str, Any]:
    """The whole document of OpenAI-compatible connections."""
    document: dict[str, Any] = web.get("/openai/config")
    return document


def index(document: Mapping[str, Any], wanted: Connection) -> int | None:
    """Which connection is ours and right, as the `urlIdx` of Open WebUI's pipelines API; None if none is."""
    for number, entry in enumerate(_entries(document)):
        if (entry.url, entry.key) == (wanted.url, wanted.key) and entry.config.get("enable", True):
            return number
    return None


def diff(wanted: Connection, live: Mapping[str, Any]) -> list[Change]:
    """Add our connection, or mend it after the server moved, the key changed, or the house chose the other way."""
    entries = _entries(live)
    ours = [entry for entry in entries if _is_ours(entry, wanted)]
    after = [entry for entry in entries if not _is_ours(entry, wanted) and (entry.url, entry.key) != _UNTOUCHED]
    config = {
        key: value for key, value in (ours[0].config if ours else {}).items() if key not in _RENAMING or not value
    }
    headers = {name: value for name, value in (config.pop("headers", None) or {}).items() if name not in (TASK, GROUPS)}
    headers |= wanted.headers
    config |= {"enable": True, "maitre": True, "headers": headers}
    mended = _Entry(wanted.url, wanted.key, config)
    place = entries.index(ours[0]) if ours else len(after)
    after.insert(min(place, len(after)), mended)
    if after == entries and live.get("ENABLE_OPENAI_API"):
        return []
    verb = "Mend the connection" if ours else "Connect Open WebUI"
    body = {
        "ENABLE_OPENAI_API": True,
        "OPENAI_API_BASE_URLS": [entry.url for entry in after],
        "OPENAI_API_KEYS": [entry.key for entry in after],
        "OPENAI_API_CONFIGS": {str(number): dict(entry.config) for number, entry in enumerate(after) if entry.config},
    }
    sentence = f"{verb} to {wanted.title} at {wanted.url}."
    return [Change("connection", "update" if ours else "create", wanted.url, sentence, body)]


#: Settings of a connection that would rename or leave out our models.
_RENAMING = ("prefix_id", "model_ids")


def _is_ours(entry: _Entry, wanted: Connection) -> bool:
    return bool(entry.config.get("maitre")) or entry.url.rstrip("/") == wanted.url or entry.key == wanted.key


def _entries(document: Mapping[str, Any]) -> list[_Entry]:
    configs = document.get("OPENAI_API_CONFIGS") or {}
    keys = list(document.get("OPENAI_API_KEYS") or ())
    return [
        # Older configurations are keyed by the URL instead of the index.
        _Entry(url, keys[number] if number < len(keys) else "", configs.get(str(number), configs.get(url, {})))
        for number, url in enumerate(document.get("OPENAI_API_BASE_URLS") or ())
    ]


def apply(change: Change, world: World) -> None:
    """Carry the change out."""
    world.web.post("/openai/config/update", change.payload)
