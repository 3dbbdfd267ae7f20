"""`cli key` and `cli suspend` on a real house."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app
from tests.api.conftest import Client


def cli(client: Client, *words: str, code: int = 0) -> str:
    """What a command prints; of one that fails, what it says to standard error."""
    done = CliRunner().invoke(app, [*words, "--house", str(client.hall.house.directory)])
    assert done.exit_code == code, done.output
    return done.output


def made(client: Client, *options: str) -> Any:
    """A fresh key of the guest, as `--json` prints it."""
    return json.loads(cli(client, "key", "create", client.guest["email"], "--name", "ci", "--json", *options))


def test_a_key_is_printed_once_and_opens(client: Client) -> None:
    """By itself on a line, with one hint; the list never has it."""
    said = cli(client, "key", "create", client.guest["email"], "--name", "my laptop").splitlines()
    assert re.fullmatch(r"mtr-[0-9a-f]{16}-[\w-]{43}", said[0])
    assert said[1:] == ["Keep it now: it cannot be shown again."]
    assert Client(client.hall, client.guest, said[0]).chat().status_code == 200
    listed = cli(client, "key", "list", client.guest["email"])
    assert "my laptop" in listed
    assert said[0][-43:] not in listed


def test_all_bounds_arrive(client: Client) -> None:
    """As they were typed, and a bare assistant's name is its public id."""
    told = made(client, "--expires", "30d", "--model", "host", "--model", "models.small", "--limit", "tokens_per_day=5",
                "--limit", "spend_total=2.50", "--allow", "10.0.0.0/8", "--deny", "10.0.0.1")  # fmt: skip
    assert told["models"] == ["assistants.host", "models.small"]
    assert told["limits"] == {"tokens_per_day": 5, "spend_total": "2.5"}
    assert told["networks"] == {"allow": ["10.0.0.0/8"], "deny": ["10.0.0.1"]}
    assert (told["manages"], told["state"]) == (False, "live")
    listed = json.loads(cli(client, "key", "list", client.guest["id"], "--json"))
    assert listed[0] == {name: value for name, value in told.items() if name != "key"}
    table = cli(client, "key", "list", client.guest["email"])
    assert "tokens_per_day=5" in " ".join(table.split())
    assert made(client, "--manages")["manages"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--limit", "tokens_per_week=5"), "There is no limit “tokens_per_week”"),
        (("--limit", "tokens_per_day"), "“tokens_per_day” is no limit"),
        (("--limit", "tokens_per_day=many"), "must be a whole number"),
        (("--model", "nobody"), "There is no “models.nobody” in the Wide plan"),
        (("--allow", "everywhere"), "“everywhere” is no network"),
        (("--manages", "--limit", "tokens_per_day=5"), "A key with limits of its own manages none"),
        (("--expires", "soon"), "“soon” is no point in time"),
        (("--expires", "0d"), "“0d” is no span"),
        (("--expires", "2020-01-01"), "must be in the future"),
    ],
)
def test_a_mistake_is_one_sentence(client: Client, options: tuple[str, ...], said: str) -> None:
    """And no key is made."""
    answer = cli(client, "key", "create", client.guest["email"], "--name", "n", *options, code=1)
    assert said in answer
    assert len(answer.strip().splitlines()) == 1
    assert len(client.hall.ask(lambda books: books.keys.of(client.guest["id"]))) == 1


def test_a_key_is_rotated_and_revoked(client: Client) -> None:
    """At once, or after the grace; an id that leads nowhere is told."""
    told = made(client)
    renewed = cli(client, "key", "rotate", told["id"], "--grace", "1h").splitlines()[0]
    last = cli(client, "key", "rotate", told["id"]).splitlines()[0]
    opened = [Client(client.hall, client.guest, key).get("/v1/models").status_code for key in (renewed, last)]
    assert opened == [401, 200]
    assert cli(client, "key", "revoke", told["id"]) == f"{told['id']} is revoked.\n"
    assert Client(client.hall, client.guest, last).get("/v1/models").status_code == 401
    for words in (("revoke", told["id"]), ("rotate", told["id"]), ("revoke", "nothing"), ("rotate", "f" * 16)):
        assert "There is no" in cli(client, "key", *words, code=1)
    assert json.loads(cli(client, "key", "list", client.guest["email"], "--json"))[0]["state"] == "revoked"


def test_a_guest_is_suspended_and_taken_back(client: Client) -> None:
    """The word of the command is the word at the door."""
    assert cli(client, "suspend", client.guest["email"]) == f"{client.guest['email']} is suspended.\n"
    assert client.chat().status_code == 403
    assert cli(client, "suspend", client.guest["id"], "--undo") == f"{client.guest['email']} is served again.\n"
    assert client.chat().status_code == 200
    assert "Nobody here is called" in cli(client, "suspend", "nobody", code=1)


def test_an_operator_sees_a_keys_windows(client: Client) -> None:
    """`cli quota explain` lists those of the guest's live keys that have limits."""
    key = made(client, "--limit", "tokens_per_day=7")
    explain = ("quota", "explain", client.guest["email"], "--json")
    scopes = {one["scope"]: one["limit"] for one in json.loads(cli(client, *explain))["windows"]}
    assert scopes[f"key:{key['id']}"] == 7
    cli(client, "key", "revoke", key["id"])
    assert f"key:{key['id']}" not in {one["scope"] for one in json.loads(cli(client, *explain))["windows"]}


def test_an_operator_sees_who_is_suspended(client: Client) -> None:
    """In the status, and beside the guest's windows."""
    email = client.guest["email"]
    cli(client, "suspend", email)
    try:
        assert "suspended" in cli(client, "quota", "explain", email).splitlines()[0]
        assert json.loads(cli(client, "quota", "explain", email, "--json"))["suspended"] is True
    finally:
        cli(client, "suspend", email, "--undo")
    assert "suspended" not in cli(client, "quota", "explain", email)
