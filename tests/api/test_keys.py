"""`/v1/key/…` and `/v1/token` on the real gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maitre.accounts.account import Account
from maitre.keys.networks import Networks
from tests.api.callers import address, as_open_webui, bearer, call
from tests.api.conftest import Client


@pytest.fixture
def manager(client: Client) -> Client:
    """The guest with a key that manages."""
    return replace(client, key=client.hall.key(client.guest, manages=True))


def with_key(client: Client, key: str) -> Client:
    """The same guest with another key."""
    return replace(client, key=key)


def sentence(answer: Any) -> str:
    """The sentence of a refusal."""
    return str(answer.json()["error"]["message"])


def test_a_key_is_made_used_listed_and_ended(manager: Client) -> None:
    """Its text is told once, and opens until it is revoked; nothing that is told later holds it."""
    made = manager.post("/v1/key/generate", {"name": "laptop", "models": ["host"], "expires_in": 3600})
    assert made.status_code == 200, made.text
    assert made.headers["cache-control"] == "no-store"
    told = made.json()
    assert (told["name"], told["models"], told["live"]) == ("laptop", ["assistants.host"], True)
    used = with_key(manager, told["key"])
    assert used.chat().status_code == 200
    assert [one["id"] for one in used.get("/v1/models").json()["data"]] == ["assistants.host"]
    assert used.chat(model="assistants.former").status_code == 404
    listed = manager.get("/v1/key/list")
    assert [one["name"] for one in listed.json()["data"]][:1] == ["laptop"]
    assert told["key"][-43:] not in listed.text
    assert manager.post("/v1/key/revoke", {"id": told["id"]}).json()["was_live"] is True
    assert used.chat().status_code == 401
    assert manager.post("/v1/key/revoke", {"id": told["id"]}).json()["was_live"] is False


def test_a_key_has_limits_of_its_own(manager: Client) -> None:
    """Two keys of one guest are counted apart, and the sentence says whose limit it is."""
    keys = [manager.post("/v1/key/generate", {"name": "n", "limits": limits}).json()["key"]
            for limits in ({"requests_per_day": 1}, {"requests_total": 1}, {"concurrency": 1})]  # fmt: skip
    day, total, once = (with_key(manager, key) for key in keys)
    for one in (day, total):
        assert one.chat().status_code == 200
    refused = day.chat()
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert "The limit of this API key is used up for now" in sentence(refused)
    spent = total.chat()
    assert spent.status_code == 429
    assert "The limit of this API key is used up. Tell the administrator" in sentence(spent)
    assert [once.chat().status_code for _ in range(2)] == [200, 200]


def test_a_limit_above_the_plans_is_a_mistake(client: Client) -> None:
    """So is a limit or a model that is none; each is one sentence."""
    guest = client.hall.guest("free")
    manager = Client(client.hall, guest, client.hall.key(guest, manages=True))
    for fields, said in (
        ({"limits": {"tokens_per_day": 20001}}, "above the Free plan's own (20000)"),
        ({"limits": {"tokens_per_week": 1}}, "There is no limit “tokens_per_week”"),
        ({"models": ["nobody"]}, "There is no “models.nobody” in the Free plan"),
        ({"models": ["small"]}, "There is no “models.small” in the Free plan"),
        ({"color": "red"}, "A key has no “color”"),
        ({"name": "\ud800"}, "needs a “name”"),
    ):
        answer = manager.post("/v1/key/generate", {"name": "n", **fields})
        assert answer.status_code == 400
        assert said in sentence(answer)
    assert len(manager.get("/v1/key/list").json()["data"]) == 1


def test_no_key_makes_or_renews_a_wider_one(client: Client) -> None:
    """What is left out is inherited; a bounded key cannot help itself to the secret of a wider one."""
    wide = client.hall.key(client.guest)
    bounds: dict[str, Any] = {
        "manages": True,
        "models": ("assistants.host",),
        "networks": Networks(("127.0.0.0/8",)),
        "expires_at": datetime.now(UTC) + timedelta(days=1),
    }
    manager = with_key(client, client.hall.key(client.guest, **bounds))
    child = manager.post("/v1/key/generate", {"name": "child"}).json()
    assert child["models"] == ["assistants.host"]
    assert child["networks"] == {"allow": ["127.0.0.0/8"], "deny": []}
    assert datetime.fromisoformat(child["expires_at"]) == bounds["expires_at"]
    for fields in ({"models": ["former"]}, {"expires_in": 10**6}, {"networks": {"allow": ["0.0.0.0/0"]}}):  # fmt: skip
        answer = manager.post("/v1/key/generate", {"name": "n", **fields})
        assert answer.status_code == 400
        assert "never wider" in sentence(answer)
    refused = manager.post("/v1/key/rotate", {"id": wide.split("-")[1]})
    assert refused.status_code == 403
    assert with_key(client, wide).get("/v1/models").status_code == 200
    assert manager.post("/v1/key/rotate", {"id": child["id"]}).status_code == 200


def test_a_rotated_key_opens_with_its_new_secret(manager: Client) -> None:
    """At once, or together with the old one until the grace is over; a revoked key stays so."""
    made = manager.post("/v1/key/generate", {"name": "n"}).json()
    renewed = manager.post("/v1/key/rotate", {"id": made["id"], "grace_seconds": 600}).json()
    again = manager.post("/v1/key/rotate", {"id": made["id"], "grace_seconds": 600}).json()
    opened = [with_key(manager, one["key"]).get("/v1/models").status_code for one in (made, renewed, again)]
    assert opened == [401, 200, 200]
    last = manager.post("/v1/key/rotate", {"id": made["id"]}).json()
    opened = [with_key(manager, one["key"]).get("/v1/models").status_code for one in (renewed, again, last)]
    assert opened == [401, 401, 200]
    manager.post("/v1/key/revoke", {"id": made["id"]})
    assert manager.post("/v1/key/rotate", {"id": made["id"]}).status_code == 400
    for grace in (-1, "1", 10**9, True):
        answer = manager.post("/v1/key/rotate", {"id": made["id"], "grace_seconds": grace})
        assert answer.status_code == 400, grace


def test_a_token_stands_for_its_key(client: Client, eventually: Callable[..., Any]) -> None:
    """It asks with the key's account and bounds, and ends with the key; its row names the key."""
    answer = client.post("/v1/token", {"expires_in": 60})
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 60
    guest = with_key(client, answer.json()["token"])
    assert guest.chat().status_code == 200
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    assert row["key"] == client.key.split("-")[1]
    assert call(client, "POST", "/v1/token", client.headers).json()["expires_in"] == 900
    client.hall.ask(lambda books: books.keys.revoke(client.key.split("-")[1]))
    assert guest.chat().status_code == 401


def test_a_token_ends_with_its_secret_and_its_time(manager: Client, eventually: Callable[..., Any]) -> None:
    """A rotation ends what was made for the old secret; so does the token's own end, which is an hour away at most."""
    made = manager.post("/v1/key/generate", {"name": "n"}).json()
    owner = with_key(manager, made["key"])
    token = owner.post("/v1/token", {}).json()["token"]
    assert with_key(manager, token).get("/v1/models").status_code == 200
    manager.post("/v1/key/rotate", {"id": made["id"]})
    assert with_key(manager, token).get("/v1/models").status_code == 401
    short = manager.post("/v1/token", {"expires_in": 1}).json()["token"]
    eventually(lambda: with_key(manager, short).get("/v1/models").status_code == 401)
    for span in (0, 3601, "60", None, True):
        assert manager.post("/v1/token", {"expires_in": span}).status_code == 400


def test_a_token_makes_no_keys_and_no_tokens(manager: Client) -> None:
    """What is handed to somebody less trusted cannot outlive itself."""
    guest = with_key(manager, manager.post("/v1/token", {}).json()["token"])
    assert guest.post("/v1/key/generate", {"name": "n"}).status_code == 403
    assert guest.get("/v1/key/list").status_code == 403
    assert guest.post("/v1/token", {}).status_code == 403


def test_only_a_managing_key_manages(client: Client) -> None:
    """Any other is told so, by every route."""
    id = client.key.split("-")[1]
    for answer in (
        client.post("/v1/key/generate", {"name": "n"}),
        client.get("/v1/key/list"),
        client.post("/v1/key/revoke", {"id": id}),
        client.post("/v1/key/rotate", {"id": id}),
    ):
        assert answer.status_code == 403
        assert sentence(answer) == "This API key may not manage keys."
    assert client.get("/v1/models").status_code == 200


def test_nobody_manages_somebody_elses_keys_but_an_admin(manager: Client) -> None:
    """A foreign key is as unknown as one that never was; an admin names the user."""
    hall = manager.hall
    other = hall.guest()
    theirs = hall.key(other).split("-")[1]
    for id in (theirs, "f" * 16, "", "\x00", 5, None, "'; drop table api_keys; --"):
        for route in ("revoke", "rotate"):
            answer = manager.post(f"/v1/key/{route}", {"id": id})
            assert (answer.status_code, sentence(answer)) == (404, "There is no such key.")
    for path in ("generate", "revoke"):
        answer = manager.post(f"/v1/key/{path}", {"name": "n", "id": theirs, "user": other["email"]})
        assert answer.status_code == 403
    assert manager.get("/v1/key/list", params={"user": other["id"]}).status_code == 403
    hall.ask(lambda books: books.put_account(Account(manager.guest["id"], "", "Boss", "admin", "wide")))
    listed = manager.get("/v1/key/list", params={"user": other["email"]}).json()["data"]
    assert [one["id"] for one in listed] == [theirs]
    made = manager.post("/v1/key/generate", {"name": "n", "user": other["id"]}).json()
    assert made["user"] == other["id"]
    assert manager.post("/v1/key/revoke", {"id": theirs, "user": other["email"]}).json()["was_live"] is True
    for nobody in ("nobody", "\x00", 5, "\ud800"):
        assert manager.post("/v1/key/generate", {"name": "n", "user": nobody}).status_code == 404


def test_a_user_of_open_webui_manages_their_own(client: Client) -> None:
    """Through its connection, with the signed token and without a key."""
    mine = as_open_webui(client, client.guest)
    made = call(client, "POST", "/v1/key/generate", mine, json={"name": "n", "manages": True})
    assert made.status_code == 200, made.text
    ids = [one["id"] for one in call(client, "GET", "/v1/key/list", mine).json()["data"]]
    assert ids == [made.json()["id"], client.key.split("-")[1]]
    assert call(client, "POST", "/v1/key/revoke", mine, json={"id": ids[0]}).json()["was_live"] is True
    assert call(client, "POST", "/v1/token", mine, json={}).status_code == 403


def test_a_key_is_used_from_its_networks_only(client: Client) -> None:
    """The address is that of the connection; from elsewhere the key is refused with one sentence."""
    here, there = address(), address()
    key = client.hall.key(client.guest, networks=Networks((here,)))
    assert call(client, "GET", "/v1/models", bearer(key), here).status_code == 200
    refused = call(client, "GET", "/v1/models", bearer(key), there)
    assert (refused.status_code, sentence(refused)) == (403, "This API key may not be used from your address.")
    denied = client.hall.key(client.guest, networks=Networks(deny=(there,)))
    assert [call(client, "GET", "/v1/models", bearer(denied), one).status_code for one in (here, there)] == [200, 403]


def test_a_plan_has_networks_for_all_its_keys(client: Client, eventually: Callable[..., Any]) -> None:
    """The plan's rule counts beside the key's; Open WebUI's own users are not asked for an address."""
    hall, here, there = client.hall, address(), address()
    plan = replace(hall.house.plans["wide"], slug="near", networks=Networks((here,)))
    hall.ask(lambda books: books.put_plan(plan))
    guest = hall.guest("near")
    key = hall.key(guest, networks=Networks(deny=(there,)))
    elsewhere = address()
    eventually(lambda: call(client, "GET", "/v1/models", bearer(key), elsewhere).status_code == 403)
    assert call(client, "GET", "/v1/models", bearer(key), here).status_code == 200
    assert call(client, "GET", "/v1/models", as_open_webui(client, guest), there).status_code == 200


def test_the_last_use_of_a_key_is_told(manager: Client, eventually: Callable[..., Any]) -> None:
    """Soon after it, and not before."""
    made = manager.post("/v1/key/generate", {"name": "n"}).json()
    assert made["last_used_at"] is None
    with_key(manager, made["key"]).get("/v1/models")
    eventually(lambda: manager.get("/v1/key/list").json()["data"][0]["last_used_at"])
