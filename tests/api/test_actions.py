"""What is done with keys, who is not let in and what operators do stands in the action log; no secret does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app
from maitre.accounts.account import Account
from tests.api.callers import address, as_open_webui, bearer, call
from tests.api.conftest import Client

Eventually = Callable[..., Any]


def logged(client: Client, *words: str) -> list[dict[str, Any]]:
    """What `cli audit` tells, the oldest first."""
    done = CliRunner().invoke(
        app, ["audit", *words, "--json", "--limit", "1000", "--house", str(client.hall.house.directory)]
    )
    assert done.exit_code == 0, done.output
    return list(reversed(json.loads(done.stdout)))


def operators(client: Client, *words: str, given: str | None = None) -> str:
    """What another command prints."""
    done = CliRunner().invoke(app, [*words, "--house", str(client.hall.house.directory)], input=given)
    assert done.exit_code == 0, done.output
    return done.output


def actions(client: Client, who: str, *what: str) -> list[dict[str, Any]]:
    """The actions of these names."""
    return [one for one in logged(client, who) if one["what"] in what]


KEYS = ("key.generate", "key.rotate", "key.revoke", "token.exchange")


def test_a_keys_life_is_in_the_log(client: Client, eventually: Eventually) -> None:
    """Each step once: who, with which key, on which, from where; neither the key's text nor a token's."""
    boss = Client(client.hall, client.guest, client.hall.key(client.guest, manages=True))
    made = boss.post("/v1/key/generate", {"name": "phone"}).json()
    renewed = boss.post("/v1/key/rotate", {"id": made["id"]}).json()["key"]
    token = Client(client.hall, client.guest, renewed).post("/v1/token", {}).json()["token"]
    for _ in range(2):
        boss.post("/v1/key/revoke", {"id": made["id"]})
    mail = client.guest["email"]
    eventually(lambda: len(actions(client, mail, *KEYS)) == 4)
    told = actions(client, mail, *KEYS)
    assert [one["what"] for one in told] == ["key.generate", "key.rotate", "token.exchange", "key.revoke"]
    assert {one["target"] for one in told} == {made["id"]}
    used = boss.key.split("-")[1]
    assert [one["key"] for one in told] == [used, used, made["id"], used]
    assert {one["from"] for one in told} == {"127.0.0.1"}
    assert told[0]["detail"] == {"name": "phone", "manages": False}
    whole = json.dumps(logged(client))
    for secret in (made["key"], renewed, token, boss.key):
        assert secret[20:] not in whole


def test_an_administrator_acts_for_somebody_in_the_open(client: Client, eventually: Eventually) -> None:
    """The log says whose key it was."""
    chief = client.hall.guest()
    client.hall.ask(lambda books: books.put_account(Account(chief["id"], chief["email"], "Chief", "admin", "wide")))
    boss = Client(client.hall, chief, client.hall.key(chief, manages=True))
    assert boss.post("/v1/key/generate", {"name": "n", "user": client.guest["id"]}).status_code == 200
    eventually(lambda: actions(client, chief["email"], "key.generate"))
    (one,) = actions(client, chief["email"], "key.generate")
    assert one["detail"]["user"] == client.guest["id"]


def test_wrong_keys_are_in_the_log_once_a_minute(client: Client, eventually: Eventually) -> None:
    """With the id that they named and the address, and not once for each try."""
    source, wrong = address(), client.key[:-4] + "AAAA"
    for _ in range(5):
        assert call(client, "GET", "/v1/models", bearer(wrong), source).status_code == 401

    def mine() -> list[dict[str, Any]]:
        return [one for one in logged(client, "--what", "auth") if one["from"] == source]

    eventually(mine)
    (one,) = mine()
    assert (one["what"], one["target"], one["who"]) == ("auth.wrong", client.key.split("-")[1], "")
    assert wrong[21:] not in json.dumps(one)


def test_who_is_not_let_in_is_in_the_log(client: Client, eventually: Eventually) -> None:
    """A suspended account and a network that is not allowed, with the key that was shown."""
    source = address()
    operators(client, "suspend", client.guest["email"])
    assert call(client, "GET", "/v1/models", client.headers, source).status_code == 403
    operators(client, "suspend", client.guest["email"], "--undo")
    (one,) = eventually(lambda: actions(client, client.guest["email"], "auth.refused"))
    assert (one["from"], one["detail"]) == (source, {"why": "suspended"})
    done = [one["what"] for one in logged(client, "--what", "account") if one["target"] == client.guest["id"]]
    assert done == ["account.suspend", "account.restore"]


def test_open_webuis_user_is_seen_once_a_day(client: Client, eventually: Eventually) -> None:
    """Open WebUI tells of no sign-in; its first call for a user is what there is."""
    for _ in range(2):
        headers = as_open_webui(client, client.guest)
        assert call(client, "GET", "/v1/usage", headers).status_code == 200
    eventually(lambda: actions(client, client.guest["email"], "sign_in.seen"))
    assert len(actions(client, client.guest["email"], "sign_in.seen")) == 1


def test_operators_keys_are_in_the_log(client: Client) -> None:
    """Every command on keys of guests and of providers, by the operator's name, and no secret."""
    made = json.loads(operators(client, "key", "create", client.guest["email"], "--name", "ci", "--json"))
    text = operators(client, "key", "rotate", made["id"], "--grace", "1h").splitlines()[0]
    operators(client, "key", "revoke", made["id"])
    operators(client, "provider", "key", "set", "audited", given="sk-very-secret-0123456789\n")
    operators(client, "provider", "key", "remove", "audited")
    told = [one for one in logged(client) if one["target"] in (made["id"], "audited")]
    assert [one["what"] for one in told] == [
        "key.generate", "key.rotate", "key.revoke", "provider_key.set", "provider_key.remove",
    ]  # fmt: skip
    assert all(one["who"].startswith("operator ") for one in told)
    whole = json.dumps(logged(client))
    for secret in (made["key"][21:], text[21:], "very-secret"):
        assert secret not in whole


@pytest.fixture
def stopped(client: Client) -> Client:
    """A client whose gateway has just made a key for it and was stopped at once."""
    boss = Client(client.hall, client.guest, client.hall.key(client.guest, manages=True))
    assert boss.post("/v1/key/generate", {"name": "last"}).status_code == 200
    client.hall.stop("gateway")
    return client


def test_a_server_that_ends_loses_no_action(stopped: Client) -> None:
    """What was noted in its last second is written before it goes."""
    assert [one["detail"]["name"] for one in actions(stopped, stopped.guest["email"], "key.generate")] == ["last"]
