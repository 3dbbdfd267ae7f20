"""`/v1/chat/completions` on the real gateway: a key, a chat, an answer, a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from tests.api.conftest import Client


def test_a_key_opens_a_chat_that_is_one_row_of_its_owner(client: Client, eventually: Callable[..., Any]) -> None:
    """The answer's id finds the row, which names the account and the key."""
    answer = client.chat()
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    assert row["turn_id"] == row["request_id"] == answer.headers["x-router-log-id"]
    assert (row["door"], row["status"]) == ("gateway", "done")


def test_without_a_key_nobody_chats(client: Client) -> None:
    """No key, a wrong one and half a one are 401 with a sentence."""
    for told in ("", "Bearer", "Bearer mtr-0", f"Bearer {client.key[:-1]}x", f"Basic {client.key}"):
        answer = requests.post(
            f"{client.url}/v1/chat/completions", json={}, headers={"Authorization": told}, timeout=30
        )
        assert answer.status_code == 401
        assert "API key" in answer.json()["error"]["message"]


def test_the_list_of_models_is_the_plans(client: Client) -> None:
    """Assistants first, then plain models."""
    ids = [one["id"] for one in client.get("/v1/models").json()["data"]]
    assert ids == [
        "assistants.former",
        "assistants.host",
        "models.scripted",
        "models.small",
        "models.vectors",
        "models.narrow",
    ]
