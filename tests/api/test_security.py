"""Who gets in at the gateway, and who does not: every route, every kind of spoofing."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from gateway.api.routes import ROUTES, Route
from gateway.key_tokens import sign
from maitre.keys.networks import Networks
from tests.api.callers import address, as_open_webui, bearer, call
from tests.api.conftest import Client
from tests.raw_socket import raw_chat
from tests.user_jwt import mint

GUARDED = [route for route in ROUTES if route.handler is not None]
OPEN = {"/healthz", "/readyz", "/metrics", "/docs", "/docs/{file}", "/openapi.json"}


def path_of(route: Route) -> str:
    """A path that leads to the route."""
    return re.sub(r"\{[^}]*\}", "x", route.path)


def names(route: Route) -> str:
    """The route as a test's name."""
    return f"{route.method} {route.path}"


def test_only_health_metrics_and_documents_ask_for_no_key() -> None:
    """A new route is guarded, or stands here."""
    assert {route.path for route in ROUTES if route.anybody is not None} <= OPEN
    assert all((route.anybody is None) != (route.handler is None) for route in ROUTES)
    assert len(GUARDED) > 5


@pytest.mark.parametrize("route", GUARDED, ids=names)
def test_every_route_refuses_without_a_live_key(client: Client, route: Route) -> None:
    """No key, somebody's half key, an expired, a revoked and a suspended guest's one: nobody gets an answer."""
    hall = client.hall
    revoked = hall.key(client.guest, revoked_at=datetime.now(UTC))
    expired = hall.key(client.guest, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    suspended = hall.guest()
    theirs = hall.key(suspended, manages=True)
    suspend(client, suspended)
    told: list[tuple[dict[str, str], int]] = [
        ({}, 401),
        (bearer(""), 401),
        (bearer(client.key[:-1]), 401),
        (bearer(client.key + "0"), 401),
        (bearer(revoked), 401),
        (bearer(expired), 401),
        ({"Authorization": f"Basic {client.key}"}, 401),
        ({"Authorization": client.key}, 401),
        ({"X-Api-Key": client.key}, 401),
        ({"api-key": client.key, "Cookie": f"token={client.key}"}, 401),
        (bearer(hall.house.secret("pipelines_key")), 401),
        (bearer(hall.house.secret("gateway_key")), 200 if route.open_webui else 401),  # nobody is vouched for
        (bearer(theirs), 403),
        (as_open_webui(client, suspended), 200 if route.open_webui else 403),
    ]
    source = address()
    for headers, status in told:
        answer = call(client, route.method, path_of(route), headers, source, json={"model": "assistants.host"})
        assert answer.status_code == status, (headers, answer.text)
        assert status == 200 or answer.json()["error"]["message"]
        assert answer.headers["x-router-log-id"]


def suspend(client: Client, guest: dict[str, str], *, undo: bool = False) -> None:
    """What `cli suspend` does."""

    async def run(books: Any) -> None:
        account = await books.find_account(guest["id"])
        await books.suspend(account, suspended=not undo)

    client.hall.ask(run)


def test_a_suspended_guest_is_refused_at_once_and_served_again(client: Client) -> None:
    """With every key and token, until the account is taken back."""
    token = client.post("/v1/token", {}).json()["token"]
    for undo, status in ((False, 403), (True, 200)):
        suspend(client, client.guest, undo=undo)
        for key in (client.key, token):
            answer = Client(client.hall, client.guest, key).chat()
            assert answer.status_code == status
            assert status == 200 or "suspended" in answer.json()["error"]["message"]
        seen = call(client, "GET", "/v1/usage", as_open_webui(client, client.guest))
        assert seen.status_code == status


def test_headers_of_open_webui_make_nobody_of_a_key(client: Client) -> None:
    """Whatever a caller says of itself, the key's account asks and pays."""
    other = client.hall.guest()
    said = {
        "X-OpenWebUI-User-Id": other["id"],
        "X-OpenWebUI-User-Email": other["email"],
        "X-OpenWebUI-User-Role": "admin",
        "X-OpenWebUI-User-Jwt": mint(client.hall.house.secret("user_jwt"), other),
    }
    body = {"model": "assistants.host", "messages": [{"role": "user", "content": "hello"}], "user": other["id"]}
    answer = call(client, "POST", "/v1/chat/completions", {**client.headers, **said}, json=body)
    assert answer.status_code == 200, answer.text
    assert client.hall.rows(other) == []
    assert [row["turn_id"] for row in client.hall.rows(client.guest)] == [answer.headers["x-router-log-id"]]


def test_open_webuis_key_vouches_for_signed_users_only(client: Client) -> None:
    """Unsigned headers, a wrong signature, an old token, none: 401."""
    house, source = client.hall.house, address()
    right = as_open_webui(client, client.guest)
    wrong = "x" * 64
    for more in (
        {"X-OpenWebUI-User-Id": client.guest["id"]},
        {"X-OpenWebUI-User-Jwt": mint(wrong, client.guest)},
        {"X-OpenWebUI-User-Jwt": mint(house.secret("user_jwt"), client.guest, iat=1, exp=2)},
        {"X-OpenWebUI-User-Jwt": ""},
    ):
        assert call(client, "GET", "/v1/usage", {**right, **more}, source).status_code == 401
    assert call(client, "GET", "/v1/usage", right, source).status_code == 200


def test_a_forged_token_opens_nothing(client: Client) -> None:
    """Signed by somebody else, by nobody, for another key, or with another of the house's secrets: 401."""
    house, id, source = client.hall.house, client.key.split("-")[1], address()
    right = client.post("/v1/token", {}).json()["token"]
    secret = house.secret("key_tokens")
    claims = jwt.decode(right, secret, algorithms=["HS256"])
    forged = [
        sign(id, claims["key"], "x" * 43, claims["iat"], 900),
        sign(id, claims["key"], house.secret("user_jwt"), claims["iat"], 900),
        sign(id, "0" * 32, secret, claims["iat"], 900),
        sign("f" * 16, claims["key"], secret, claims["iat"], 900),
        sign("\x00", claims["key"], secret, claims["iat"], 900),
        sign(id, claims["key"], secret, claims["iat"] - 3600, 900),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({**claims, "iss": "open-webui"}, secret, algorithm="HS256"),
        jwt.encode({**claims, "exp": "soon"}, secret, algorithm="HS256"),
        jwt.encode({name: value for name, value in claims.items() if name != "exp"}, secret, algorithm="HS256"),
        right[:-2],
        "..",
    ]
    for token in forged:
        assert call(client, "GET", "/v1/models", bearer(token), source).status_code == 401, token
    assert call(client, "GET", "/v1/models", bearer(right), source).status_code == 200


def test_two_authorizations_are_none(client: Client) -> None:
    """Two proxies may read different ones of them, so neither counts; nor does one header with two keys."""
    second = {"Authorization": f"Bearer {client.key}", "authorization": f"Bearer {client.key}"}
    assert raw_chat(client.url, {"model": "assistants.host"}, headers=second).status == 401
    assert (
        raw_chat(client.url, {}, headers={"Authorization": f"Bearer {client.key}, Bearer {client.key}"}).status == 401
    )


def test_forwarded_addresses_are_not_believed(client: Client) -> None:
    """A key's network is not entered by a header, nor is a count of guesses left by one."""
    inside, outside = address(), address()
    key = client.hall.key(client.guest, networks=Networks((inside,)))
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP"):
        value = f"for={inside}" if name == "Forwarded" else inside
        assert call(client, "GET", "/v1/models", {**bearer(key), name: value}, outside).status_code == 403


def test_a_trusted_proxy_tells_the_address(client: Client) -> None:
    """And only what it wrote last is believed: what its guest sent before is not."""
    inside, outside, proxy = address(), address(), "127.9.9.9"
    headers = bearer(client.hall.key(client.guest, networks=Networks((inside,))))
    for forwarded, status in ((inside, 200), (f"{outside}, {inside}", 200), (f"{inside}, {outside}", 403), ("", 403)):
        told = {**headers, "X-Forwarded-For": forwarded}
        assert call(client, "GET", "/v1/models", told, proxy).status_code == status, forwarded


def test_whoever_guesses_keys_is_made_to_wait(client: Client) -> None:
    """What the house bears is borne; then the address waits, whatever it sends or says, and no other does."""
    guessing, elsewhere = address(), address()
    statuses, most = [], client.hall.house.wrong_keys_per_minute
    for number in range(most + 1):
        headers = {**bearer(f"mtr-{number:016x}-{'x' * 43}"), "X-Forwarded-For": f"192.0.2.{number}"}
        statuses.append(call(client, "GET", "/v1/models", headers, guessing).status_code)
    assert statuses == [401] * most + [429]
    waiting = call(client, "GET", "/v1/models", client.headers, guessing)
    assert waiting.status_code == 429
    assert 0 < int(waiting.headers["retry-after"]) <= 60
    assert "Too many wrong API keys" in waiting.json()["error"]["message"]
    assert call(client, "GET", "/v1/models", client.headers, elsewhere).status_code == 200
    assert call(client, "GET", "/v1/models", as_open_webui(client, client.guest), guessing).status_code == 200
    assert call(client, "GET", "/healthz", {}, guessing).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/V1/models", "/v1//models", "//v1/models", "/v1/models/", "/v1/./models", "/healthz/../v1/models",
        "/v1/models;x", "/%761/models", "/v1%2fmodels", "/v1/models%00", "/v1\\models", "/healthz/v1/models",
        "/healthz%2f..%2fv1/models", "/v1/key/list/../list", "/v1/models%20", "/internal", "/",
    ],
)  # fmt: skip
def test_no_other_spelling_of_a_path_leads_anywhere(client: Client, path: str) -> None:
    """With a key it is 404, and without one nothing more is learnt."""
    for headers in (client.headers, {}):
        connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=30)
        with closing(connection):
            connection.request("GET", path, headers=headers)  # as it stands: other clients would tidy it up
            answer = connection.getresponse()
            assert answer.status == 404, path
            assert b"assistants" not in answer.read()


def test_a_method_that_is_not_offered_is_405(client: Client) -> None:
    """With the offered ones named, for anybody; no override header makes another of it."""
    for route in ROUTES:
        offered = {one.method for one in ROUTES if one.path == route.path}
        for method in {"DELETE", "PUT", "PATCH", "TRACE"} - offered:
            override = {"X-HTTP-Method-Override": route.method}
            answer = call(client, method, path_of(route), override)
            assert answer.status_code == 405
            assert route.method in answer.headers["allow"]


def test_a_key_with_limits_makes_no_keys(client: Client) -> None:
    """Neither one made before it was forbidden, nor one that is asked for."""
    hall = client.hall
    old = Client(hall, client.guest, hall.key(client.guest, manages=True, limits={"requests_total": 1}))
    for path, body in (("/v1/key/generate", {"name": "n"}), ("/v1/key/rotate", {"id": "0" * 16})):
        assert old.post(path, body).status_code == 403
    boss = Client(hall, client.guest, hall.key(client.guest, manages=True))
    both = {"name": "n", "manages": True, "limits": {"requests_total": 1}}
    assert boss.post("/v1/key/generate", both).status_code == 400


def test_a_stamp_with_a_key_is_nothing(client: Client) -> None:
    """One that got out would make requests later calls of its turn, which are no requests, and hide them in it."""
    stamped = client.hall.stamped(client.hall.body(client.guest))
    ids = []
    for _ in range(2):
        answer = client.post("/v1/chat/completions", {**stamped, "user": "me"})
        assert answer.status_code == 200
        ids.append(answer.headers["x-router-log-id"])
    rows = client.get("/v1/usage/history").json()["data"]
    assert [(row["turn_id"], row["kind"], row["counted"]) for row in rows] == [
        (id, "turn", True) for id in reversed(ids)
    ]


def test_a_client_names_no_kind_of_call(client: Client) -> None:
    """Whatever it says in headers or the body: a request is a turn, with an id of ours, and counted."""
    mine = {"X-Maitre-Task": "title_generation", "x-router-log-id": "f" * 32, "X-Maitre-Groups": "admins"}
    body = {**client.hall.body(client.guest), "user": "me", "kind": "task", "turn_id": "f" * 32, "counted": False}
    answer = call(client, "POST", "/v1/chat/completions", {**client.headers, **mine}, json=body)
    assert answer.status_code == 200
    (row,) = client.get("/v1/usage/history").json()["data"]
    assert (row["kind"], row["counted"], row["turn_id"]) == ("turn", True, answer.headers["x-router-log-id"])
    assert row["turn_id"] != "f" * 32


def test_a_token_of_a_managing_key_sees_its_own_calls_only(client: Client) -> None:
    """It manages nothing, so it reads no more than any other key."""
    client.chat()
    boss = Client(client.hall, client.guest, client.hall.key(client.guest, manages=True))
    token = boss.post("/v1/token", {}).json()["token"]
    assert len(boss.get("/v1/usage/history").json()["data"]) == 1
    assert Client(client.hall, client.guest, token).get("/v1/usage/history").json()["data"] == []
