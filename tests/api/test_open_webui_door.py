"""The gateway as Open WebUI's own connection: its key, the signed user, and what it tells of a call."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from maitre.chat.message import Stamp
from maitre.chat.stamp import KEY, sign
from tests.api.conftest import Client
from tests.user_jwt import mint

Eventually = Callable[..., Any]


def headers(client: Client, **more: str) -> dict[str, str]:
    """What Open WebUI sends for the client's guest."""
    house = client.hall.house
    key = {"Authorization": f"Bearer {house.secret('gateway_key')}"}
    return {**key, "X-OpenWebUI-User-Jwt": mint(house.secret("user_jwt"), client.guest), **more}


def ask(client: Client, told: dict[str, str] | None = None, **body: Any) -> requests.Response:
    """A chat completion through Open WebUI's connection, or with other headers."""
    whole = {"model": "assistants.host", "messages": [{"role": "user", "content": "hello"}], **body}
    return requests.post(f"{client.url}/v1/chat/completions", json=whole, headers=told or headers(client), timeout=60)


def stamp(client: Client, **fields: Any) -> dict[str, str]:
    """The body key of a browser's turn, signed as our Function does."""
    made = Stamp(client.guest["id"], "assistants.host", uuid.uuid4().hex, int(time.time()) + 60, browser=True, **fields)
    return {KEY: sign(made, client.hall.house.secret("stamp"))}


def row_of(client: Client, eventually: Eventually) -> dict[str, Any]:
    """The one settled row of the guest."""
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    return dict(row)


def test_a_stamped_turn_is_the_browsers(client: Client, eventually: Eventually) -> None:
    """The stamp says door and chat; the answer's id finds the row as its turn."""
    answer = ask(client, **stamp(client, chat_id="c1"))
    assert answer.status_code == 200
    row = row_of(client, eventually)
    assert (row["door"], row["kind"], row["chat_id"]) == ("browser", "turn", "c1")
    assert row["turn_id"] == answer.headers["x-router-log-id"]


@pytest.mark.parametrize(("chat_id", "door"), [("c1", "browser"), ("", "api")])
def test_a_task_is_told_in_a_header(client: Client, eventually: Eventually, chat_id: str, door: str) -> None:
    """A background task has no stamp; the connection's header makes it one, with a task's small answer."""
    told = headers(client, **{"X-Maitre-Task": "title_generation", "X-OpenWebUI-Chat-Id": chat_id})
    assert ask(client, told, max_tokens=4000).status_code == 200
    row = row_of(client, eventually)
    assert (row["door"], row["kind"], row["chat_id"]) == (door, "task", chat_id)


def test_a_stamped_turn_stays_a_turn(client: Client, eventually: Eventually) -> None:
    """Signed facts go before unsigned ones."""
    assert ask(client, headers(client, **{"X-Maitre-Task": "title_generation"}), **stamp(client)).status_code == 200
    assert row_of(client, eventually)["kind"] == "turn"


def test_a_key_cannot_say_that_it_is_a_task(client: Client, eventually: Eventually) -> None:
    """The header is Open WebUI's; with an API key it says nothing."""
    assert ask(client, {**client.headers, "X-Maitre-Task": "title_generation"}).status_code == 200
    row = row_of(client, eventually)
    assert (row["kind"], row["door"], row["counted"]) == ("turn", "gateway", 1)


@pytest.mark.parametrize("asked_by", ["nobody", "somebody"])
def test_open_webui_lists_the_whole_house(client: Client, asked_by: str) -> None:
    """It keeps one list for all its users, whoever's page asked for it; its own grants say who sees what."""
    told = headers(client)
    if asked_by == "nobody":
        del told["X-OpenWebUI-User-Jwt"]
    listed = requests.get(f"{client.url}/v1/models", headers=told, timeout=30).json()["data"]
    ids = {one["id"] for one in listed}
    assert {f"models.{id}" for id in client.hall.house.models} <= ids
    assert {one["id"] for one in client.get("/v1/models").json()["data"]} < ids


def test_open_webui_chats_for_nobody_without_the_signed_user(client: Client) -> None:
    """The connection's key alone opens no chat, nor does it with unsigned headers."""
    told = headers(client)
    del told["X-OpenWebUI-User-Jwt"]
    assert ask(client, told).status_code == 401
    assert ask(client, {**told, "X-OpenWebUI-User-Id": client.guest["id"]}).status_code == 401


def test_a_body_cannot_name_another_user(client: Client, eventually: Eventually) -> None:
    """A plain connection hands on whatever user a client wrote; the token's pays."""
    assert ask(client, user={"id": "somebody-else"}).status_code == 200
    assert row_of(client, eventually)["door"] == "openai"


def test_an_early_refusal_is_a_real_status(client: Client) -> None:
    """Open WebUI shows the sentence of an HTTP error, streamed or not."""
    for stream in (False, True):
        answer = ask(client, model="assistants.nobody", stream=stream)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"]
