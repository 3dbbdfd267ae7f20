"""`/v1/usage`, `/v1/usage/history` and `/v1/queue` on the real gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Client

Eventually = Callable[..., Any]


@pytest.fixture
def other(hall: Any) -> Client:
    """Somebody else."""
    guest = hall.guest()
    return Client(hall, guest, hall.key(guest))


def test_usage_is_what_was_used(client: Client, eventually: Eventually) -> None:
    """The windows of the account say what its rows say."""
    client.chat()
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    told = client.get("/v1/usage").json()
    windows = {(one["resource"], one["window"]): one for one in told["windows"]}
    assert windows["tokens", "day"]["used"] == row["prompt_tokens"] + row["completion_tokens"]
    assert windows["requests", "month"]["used"] == 1
    assert told["plan"] == "wide"
    assert {one["scope"] for one in told["windows"]} == {"account"}


def test_a_keys_own_limits_are_told_beside_the_accounts(client: Client, eventually: Eventually) -> None:
    """Each with what is left."""
    key = client.hall.key(client.guest, limits={"tokens_per_day": 500_000})
    narrow = Client(client.hall, client.guest, key)
    narrow.chat()
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    (mine,) = [one for one in narrow.get("/v1/usage").json()["windows"] if one["scope"].startswith("key:")]
    assert (mine["limit"], mine["used"]) == (500_000, row["prompt_tokens"] + row["completion_tokens"])


def test_history_is_the_keys_own_unless_it_manages(client: Client, eventually: Eventually) -> None:
    """The house's names for providers and upstream models are not in it."""
    manager = Client(client.hall, client.guest, client.hall.key(client.guest, manages=True))
    client.chat()
    manager.chat()
    eventually(lambda: client.hall.settled(client.guest, 2))
    (own,) = client.get("/v1/usage/history").json()["data"]
    both = manager.get("/v1/usage/history").json()["data"]
    assert [row["key"] for row in both] == [both[0]["key"], own["key"]]
    assert own["model"] == "assistants.host"
    assert not {"provider", "address", "user", "email"} & own.keys()
    assert client.get(f"/v1/usage/history?key={both[0]['key']}").status_code == 403


def test_history_goes_page_by_page(client: Client, eventually: Eventually) -> None:
    """No row twice, none left out, and the last page says so."""
    for _ in range(3):
        client.chat()
    eventually(lambda: client.hall.settled(client.guest, 3))
    first = client.get("/v1/usage/history?limit=2").json()
    second = client.get(f"/v1/usage/history?limit=2&before={first['before']}").json()
    ids = [row["id"] for row in first["data"] + second["data"]]
    assert len(set(ids)) == 3
    assert ids == sorted(ids, reverse=True)
    assert second["before"] is None


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=²",
        "before=-1",
        "since=yesterday",
        "user=u1",
        "limit=1&limit=2",
        "%ff",
        "key=%00",
        "%00=1",
        "since=9999-12-31T23:59:59-14:00",
        "before=9999999999999999999",
    ],
)
def test_a_question_that_cannot_be_read_is_a_sentence(client: Client, query: str) -> None:
    """Never a fault of the server."""
    answer = client.get(f"/v1/usage/history?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_request_can_be_asked_after_by_its_owner_alone(client: Client, other: Client, eventually: Eventually) -> None:
    """Its id is in the answer's headers; to others it does not exist."""
    id = client.chat().headers["x-router-log-id"]
    eventually(lambda: client.hall.settled(client.guest))
    assert client.get(f"/v1/queue/{id}").json()["state"] == "done"
    assert other.get(f"/v1/queue/{id}").status_code == 404
    assert client.get("/v1/queue/unknown").status_code == 404
    assert client.get("/v1/queue").json()["data"] == []


def test_the_operator_finds_a_call_by_what_its_answer_said(client: Client, eventually: Eventually) -> None:
    """`cli usage --id` takes the answer's x-router-log-id."""
    id = client.chat().headers["x-router-log-id"]
    client.chat()
    eventually(lambda: client.hall.settled(client.guest, 2))
    (row,) = client.hall.ask(lambda books: books.usage(None, None, 9, id))
    assert (row["turn_id"], row["user"]) == (id, client.guest["id"])
