"""The house's RAG service at the gateway: it asks on somebody's behalf, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from gateway.api.routes import ROUTES
from maitre.keys.key import split
from tests.api.books import every_row
from tests.api.test_security import names, path_of
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.engine.small_house import HOUSE
from tests.upstream import ScriptedUpstream, running_upstream

BODY = {"model": "vectors", "input": ["What is for dinner?"], "input_type": "query"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream of this file's own."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[Hall]:
    """A gateway of a house with knowledge."""
    text = HOUSE + "rag: {{ embedding: vectors }}\n"
    with seeded_hall(tmp_path_factory.mktemp("behalf"), upstream.url, text) as ready:
        ready.start("gateway")
        yield ready


def behalf(hall: Hall, user_id: str, **claims: Any) -> dict[str, str]:
    """The headers of the RAG service that asks for somebody."""
    now = int(time.time())
    told = {"iss": "maitre", "sub": user_id, "iat": now, "exp": now + 60, **claims}
    key = hall.house.secret("rag_key")
    return {"Authorization": f"Bearer {key}", "X-Maitre-On-Behalf-Of": jwt.encode(told, key, "HS256")}


def embed(hall: Hall, headers: dict[str, str]) -> requests.Response:
    """One embedding."""
    return requests.post(f"{hall.parts['gateway'].url}/v1/embeddings", json=BODY, headers=headers, timeout=60)


def test_an_embedding_is_the_guests_in_the_guests_turn_and_no_request(hall: Hall, upstream: ScriptedUpstream) -> None:
    """Tokens and money are the guest's; the plan's list of models is for guests, not for the house's own embedder; and
    what the service asks often takes no request of the plan's five a minute."""
    guest = hall.guest(plan="free")
    for number in range(7):
        answer = embed(hall, behalf(hall, guest["id"], turn=f"turn{number}"))
        assert answer.status_code == 200, answer.text
    rows = [row for row in every_row(hall) if row["user_id"] == guest["id"]]
    assert [row["turn_id"] for row in rows] == [f"turn{number}" for number in range(7)]
    assert {(row["kind"], row["door"], row["counted"]) for row in rows} == {("embedding", "rag", False)}
    assert {row["request_id"] for row in rows} <= {call.request_id for call in upstream.calls}


def test_the_windows_of_the_key_that_asked_count_it_too(hall: Hall) -> None:
    """A key with limits of its own spends no more by asking about documents; somebody else's key is nobody's."""
    guest, other = hall.guest(plan="free"), hall.guest(plan="free")
    key = hall.key(guest, limits={"tokens_per_day": 40})
    parts = split(key)
    assert parts is not None
    id = parts[0]
    headers = behalf(hall, guest["id"], key=id)
    statuses = {embed(hall, headers).status_code for _ in range(9)}
    assert statuses == {200, 429}
    assert [row["key_id"] for row in every_row(hall) if row["user_id"] == guest["id"]][:1] == [id]
    assert embed(hall, behalf(hall, other["id"], key=id)).status_code == 401


def test_a_guest_without_tokens_left_is_refused(hall: Hall) -> None:
    """The service is no way around the plan's limits."""
    guest = hall.guest(plan="free")
    headers = behalf(hall, guest["id"])
    body = {**BODY, "input": ["word " * 5000] * 4}
    url = f"{hall.parts['gateway'].url}/v1/embeddings"
    statuses = [requests.post(url, json=body, headers=headers, timeout=60).status_code for _ in range(2)]
    assert statuses[-1] == 429, statuses


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "open-webui"},
        {"sub": " "},
        {"sub": 5},
        {"exp": 1},
        {"iat": 1, "exp": 2**40},
        {"iat": 2**40, "exp": 2**41},
        {"exp": True},
        {"turn": "x" * 65},
        {"turn": 7},
        {"record": "everything"},
    ],
    ids=str,
)
def test_a_token_that_is_not_the_houses_or_not_of_now_is_nobodys(hall: Hall, claims: dict[str, Any]) -> None:
    """Whose call it is must be beyond doubt."""
    assert embed(hall, behalf(hall, "u1", **claims)).status_code == 401


def test_the_key_alone_or_with_somebody_elses_signature_is_nobodys(hall: Hall) -> None:
    """The key opens nothing without a signed name, nor a name signed with another secret."""
    right = behalf(hall, "u1")
    other = jwt.encode({"iss": "maitre", "sub": "u1", "iat": 0, "exp": 2**40}, "x" * 40, "HS256")
    assert embed(hall, {"Authorization": right["Authorization"]}).status_code == 401
    assert embed(hall, {**right, "X-Maitre-On-Behalf-Of": other}).status_code == 401
    assert embed(hall, {**right, "Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("route", [route for route in ROUTES if route.handler and not route.served], ids=names)
def test_the_services_key_opens_no_other_route(hall: Hall, route: Any) -> None:
    """It embeds and it chats; it makes no keys and reads no sessions."""
    url = f"{hall.parts['gateway'].url}{path_of(route)}"
    answer = requests.request(route.method, url, json={}, headers=behalf(hall, "u1"), timeout=60)
    assert answer.status_code == 403, answer.text


def test_a_token_changes_nothing_of_the_account(hall: Hall) -> None:
    """A collection's owner may be named by an e-mail that was theirs once; the account keeps its own, and its name."""
    guest = hall.guest(plan="free")
    assert embed(hall, behalf(hall, guest["id"], email="once@x.example")).status_code == 200
    account = hall.ask(lambda books: books.find_account(guest["id"]))
    assert account is not None
    assert (account.email, account.name) == (guest["email"], guest["name"])
