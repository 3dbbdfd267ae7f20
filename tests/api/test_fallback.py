"""Two scripted upstreams behind one public model, on the real gateway: which one answers, and what the ledger says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import requests
import yaml

from tests.api.conftest import Client
from tests.engine.hall import Hall
from tests.engine.receivers import refusing
from tests.engine.seeded import seeded_hall
from tests.upstream import ScriptedUpstream, running_upstream
from tests.upstream.script import Script

#: A provider for each kind of trouble, so that the breaker of one is not another's.
TROUBLES = ("status", "down", "hang", "cut", "late", "busy", "all", "open", "few", "bad", "urls")


def house(first: str, second: str, nobody: str) -> str:
    """The house's file: every trouble's model, and the same dearer one after it."""
    urls: dict[str, Any] = {"down": f"{nobody}/v1", "urls": [f"{nobody}/v1", {"url": f"{first}/v1", "slots": 2}]}
    providers: dict[str, Any] = {
        name: {"kind": "openai", "base_url": urls.get(name, f"{first}/v1"), "timeout_seconds": 2, "models": {name: {}}}
        for name in TROUBLES
    }
    providers["few"]["limits"] = {"requests_per_minute": 1}
    providers["spare"] = {"kind": "openai", "base_url": f"{second}/v1", "models": {"dear": {}}}
    prices: dict[str, Any] = {name: {"input": "1", "output": "2"} for name in TROUBLES}
    aliases = {f"best-{name}": {"name": f"Best of {name}", "use": [name, "dear"]} for name in TROUBLES}
    return yaml.safe_dump(
        {
            "domain": "localhost",
            "max_turn_seconds": 12,
            "providers": providers,
            "models": {**aliases, "scripted": {"use": ["best-status"]}},  # the assistants'
            "prices": {"version": "test", "models": {**prices, "dear": {"input": "30", "output": "60"}}},
            "plans": {"wide": {"name": "Wide", "price": 0, "max_answer_tokens": 100, "models": list(aliases)}},
        }
    )


@dataclass
class Pair:
    """The hall and its two upstreams."""

    hall: Hall
    first: ScriptedUpstream
    second: ScriptedUpstream

    def asked(self, since: tuple[int, int] = (0, 0)) -> tuple[int, int]:
        """How many calls each of the two had since then."""
        return len(self.first.calls) - since[0], len(self.second.calls) - since[1]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The stores and the gateway on a house of troubles."""
    folder = tmp_path_factory.mktemp("fallback")
    with refusing() as nobody, running_upstream() as first, running_upstream() as second:
        text = house(first.url, second.url, nobody).replace("{", "{{").replace("}", "}}")
        with seeded_hall(folder, first.url, text) as hall:
            hall.start("gateway")
            yield Pair(hall, first, second)


@pytest.fixture
def pair(started: Pair) -> Iterator[Pair]:
    """The same, with two upstreams that do as the conversation says."""
    yield started
    started.first.always = started.second.always = None


@pytest.fixture
def client(pair: Pair) -> Client:
    """A fresh guest with a key."""
    guest = pair.hall.guest()
    return Client(pair.hall, guest, pair.hall.key(guest))


def text_of(answer: requests.Response) -> str:
    """What the guest reads of an answer, streamed or not."""
    if "event-stream" not in answer.headers.get("Content-Type", ""):
        return str(answer.json()["choices"][0]["message"]["content"])
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    chunks = [choice for line in lines for choice in json.loads(line).get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in chunks)


def one_to_one(pair: Pair, rows: list[dict[str, Any]]) -> None:
    """Every row that reached an upstream is one call there, and every call there a row."""
    ids = {row["request_id"] for row in rows}
    called = [call.request_id for up in (pair.first, pair.second) for call in up.calls if call.request_id in ids]
    assert len(called) == len(set(called))
    reached = {row["request_id"] for row in rows if row["model"] != "down"}
    assert set(called) == reached


BEFORE = {
    "status": Script(status=500),
    "hang": Script(hang_after=0, ttft_ms=60_000),
    "cut": Script(cut_after=-1),
    "late": Script(cut_after=0),  # after the role
    "busy": Script(status=429, retry_after=120),
    "down": None,
}


#: Who asked to rest is not asked twice.
ASKED = [(trouble, stream) for trouble in BEFORE for stream in (True, False) if stream or trouble != "busy"]


@pytest.mark.parametrize(("trouble", "stream"), ASKED)
def test_the_next_model_answers_and_is_what_the_bill_says(
    pair: Pair, client: Client, eventually: Callable[..., Any], trouble: str, stream: bool
) -> None:
    """The failed call is an error's row, the next one a fallback's with its own price; both of one turn."""
    pair.first.always, pair.second.always = BEFORE[trouble], Script(text="from the second")
    answer = client.chat(model=f"models.best-{trouble}", stream=stream)
    assert (answer.status_code, text_of(answer)) == (200, "from the second")
    second, first = eventually(lambda: client.hall.settled(client.guest, 2))
    assert (first["model"], first["kind"], first["status"], first["counted"]) == (trouble, "turn", "error", 1)
    assert (second["model"], second["kind"], second["status"], second["counted"]) == ("dear", "fallback", "done", 0)
    assert first["turn_id"] == second["turn_id"] == answer.headers["x-router-log-id"]
    per_token = (Decimal(30), Decimal(60))
    expected = (second["prompt_tokens"] * per_token[0] + second["completion_tokens"] * per_token[1]) * 1000
    assert (second["cost"], second["price_version"]) == (expected, "test")
    assert second["completion_tokens"] == 3
    one_to_one(pair, [first, second])
    assert client.hall.windows(client.guest)["requests", "month"]["used"] == 1
    assert eventually(lambda: client.hall.agrees(client.guest))


def test_who_asked_to_rest_is_left_alone(pair: Pair, client: Client, eventually: Callable[..., Any]) -> None:
    """After a 429 with Retry-After nobody asks it; the next model is the turn's first call."""
    pair.first.always, pair.second.always = Script(status=429, retry_after=120), None
    client.chat(model="best-busy")
    before = pair.asked()
    assert [client.chat(model="best-busy").status_code for _ in range(3)] == [200] * 3
    assert pair.asked(before) == (0, 3)


def test_after_the_first_word_nobody_else_is_asked(pair: Pair, client: Client, eventually: Callable[..., Any]) -> None:
    """What was shown stays, an error event follows."""
    pair.first.always = Script(n=20, cut_after=5)
    before = pair.asked()
    answer = client.chat(model="best-late", stream=True)
    assert "word4" in answer.text
    assert "broke off" in answer.text
    (row,) = eventually(lambda: client.hall.settled(client.guest, 1))
    assert (row["status"], row["estimated"]) == ("error", True)
    assert 5 <= row["completion_tokens"] <= 100
    assert pair.asked(before) == (1, 0)


@pytest.mark.parametrize("stream", [True, False])
def test_all_down_is_the_last_ones_status(
    pair: Pair, client: Client, eventually: Callable[..., Any], stream: bool
) -> None:
    """One error, no text, and two rows that cost nothing."""
    pair.first.always = pair.second.always = Script(status=503)
    answer = client.chat(model="best-all", stream=stream)
    assert answer.status_code == 503
    assert answer.json()["error"]["message"]
    rows = eventually(lambda: client.hall.settled(client.guest, 2))
    assert {(row["status"], row["cost"]) for row in rows} == {("error", 0)}


def test_a_bad_request_is_not_repeated(pair: Pair, client: Client, eventually: Callable[..., Any]) -> None:
    """400 of an upstream goes to the guest."""
    pair.first.always = Script(status=400)
    before = pair.asked()
    assert client.chat(model="best-bad").status_code == 400
    assert pair.asked(before) == (1, 0)
    eventually(lambda: client.hall.settled(client.guest, 1))


def test_a_breaker_opens_and_closes(pair: Pair, client: Client, eventually: Callable[..., Any]) -> None:
    """A broken upstream is asked five times, then not at all; when it is well again, a probe finds out."""
    pair.first.always, pair.second.always = Script(status=500), None
    before = pair.asked()
    assert [client.chat(model="best-open").status_code for _ in range(9)] == [200] * 9
    assert pair.asked(before) == (5, 9)
    pair.first.always = Script(text="well again")
    assert eventually(lambda: text_of(client.chat(model="best-open")) == "well again")
    assert text_of(client.chat(model="best-open")) == "well again"


def test_beyond_a_providers_requests_a_minute_the_next_is_asked(
    pair: Pair, client: Client, eventually: Callable[..., Any]
) -> None:
    """The first model's one request of this minute is used; the guest notices nothing."""
    answers = [client.chat(model="best-few") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    rows = eventually(lambda: client.hall.settled(client.guest, 3))
    assert [(row["model"], row["kind"], row["counted"]) for row in reversed(rows)] == [
        ("few", "turn", 1), ("dear", "turn", 1), ("dear", "turn", 1)
    ]  # fmt: skip
    one_to_one(pair, rows)


def test_a_url_that_nobody_can_connect_to_costs_no_row(
    pair: Pair, client: Client, eventually: Callable[..., Any]
) -> None:
    """The same call goes to the provider's other URL."""
    answers = [client.chat(model="best-urls", stream=stream) for stream in (True, False)]
    assert [answer.status_code for answer in answers] == [200] * 2
    rows = eventually(lambda: client.hall.settled(client.guest, 2))
    assert {(row["model"], row["status"]) for row in rows} == {("urls", "done")}
    one_to_one(pair, rows)


def test_an_alias_is_a_model_like_any_other(client: Client) -> None:
    """It is listed; the models behind it, which no plan names, are not, and cannot be asked for."""
    ids = [one["id"] for one in client.get("/v1/models").json()["data"] if one["id"].startswith("models.")]
    assert ids == [f"models.best-{name}" for name in TROUBLES]
    assert client.chat(model="models.dear").status_code == 404


def test_a_guests_history_names_no_model_behind_an_alias(pair: Pair, client: Client) -> None:
    """Neither the one that failed nor the one that answered: the plan has only the alias."""
    pair.first.always = Script(status=500)
    assert client.chat(model="models.best-bad").status_code in (200, 502, 500)
    rows = client.get("/v1/usage/history").json()["data"]
    assert rows
    assert all(row["model"].startswith("models.best-") for row in rows), rows
