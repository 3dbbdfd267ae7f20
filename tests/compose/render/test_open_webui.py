"""Open WebUI's environment, in the stack and in the embedded house."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from compose.render import open_webui
from devstack import open_webui as embedded
from maitre.settings import House
from provisioning.open_webui_env import SECRET
from provisioning.resources.connection import connection_of
from provisioning.resources.settings import file_embeddings

#: What only one of the houses says: where its data lies, and how it is reached.
OWN = {"FROM_INIT_PY", "DATA_DIR", "STATIC_DIR", "HF_HOME"}
STACK = {"DATABASE_URL", "WEBUI_SESSION_COOKIE_SECURE", "WEBUI_AUTH_COOKIE_SECURE"}


@pytest.mark.parametrize("connection", ["pipelines", "gateway"])
@pytest.mark.parametrize("knowing", [True, False])
def test_both_houses_say_the_same(connection: Literal["pipelines", "gateway"], knowing: bool, house: House) -> None:
    """Each variable of one is in the other, but for places and addresses; only templates know of secrets."""
    changed = replace(house, webui=replace(house.webui, connection=connection), rag=house.rag if knowing else None)
    told = open_webui.environment(changed, "https://chat.example.com")
    here = embedded.settings(
        changed,
        "https://chat.example.com",
        connection_of(changed, "http://traefik:8000" if connection == "gateway" else "http://traefik:9099"),
        file_embeddings(changed, "http://traefik:8000"),
    )
    assert {*here} - OWN == {*told.plain, *told.secret} - STACK
    assert {name: here[name] for name in told.plain if name in here} == {
        name: value for name, value in told.plain.items() if name not in STACK
    }
    named = {name: SECRET.findall(template) for name, template in told.secret.items()}
    assert all(named.values())
    whole = {name: changed.secret(found[0]) for name, found in named.items() if told.secret[name].startswith("{")}
    assert {name: here[name] for name in whole} == whole | {"WEBUI_ADMIN_PASSWORD": here["WEBUI_ADMIN_PASSWORD"]}
    values = {path.read_text().strip() for path in (house.state / "secrets").iterdir()}
    assert not values & {*told.plain.values()}


def test_the_ollama_door_stays_closed(house: House) -> None:
    """Nobody gets around the plans by Open WebUI's own connection to Ollama, or by a connection of a guest's."""
    told = open_webui.environment(house, "https://chat.example.com").plain
    assert (told["ENABLE_OLLAMA_API"], told["ENABLE_DIRECT_CONNECTIONS"]) == ("false", "false")
    assert told["CORS_ALLOW_ORIGIN"] == told["WEBUI_URL"] == "https://chat.example.com"


def test_cookies_are_for_https_only_where_there_is_https(house: House) -> None:
    """On a private host without certificates nobody could sign in with such cookies."""
    assert "WEBUI_AUTH_COOKIE_SECURE" not in open_webui.environment(house, "http://chat.example.com").plain
    assert open_webui.environment(house, "https://c.example.com").plain["WEBUI_AUTH_COOKIE_SECURE"] == "true"
