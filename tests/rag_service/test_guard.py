"""The key, the caller and the size, asked before anything else."""

from __future__ import annotations

import time

import jwt
import pytest
from starlette.routing import Route

from rag_service import app as service_app
from rag_service.callers import HEADER, BadToken, read, sign
from tests.rag_service.desk import ANN, KEY, LARGEST, Desk

NOW = 1_800_000_000.0


def routes() -> list[tuple[str, str]]:
    """Every method and path of the service."""
    found: list[tuple[str, str]] = []
    pending = list(service_app.app.routes)
    while pending:
        route = pending.pop()
        # An included router is one route that holds its own.
        if (inner := getattr(route, "original_router", None)) is not None:
            pending += inner.routes
        elif isinstance(route, Route):
            found += [(method, route.path) for method in sorted(route.methods or ())]
    return sorted(found)


def test_the_service_has_the_routes_of_its_contract() -> None:
    """The list below is what the next tests are about; a route that is missing there would be asked nothing."""
    paths = {path for _, path in routes()}
    assert {"/health", "/collections", "/collections/{name}", "/index-document", "/query", "/jobs/{id}"} <= paths
    assert len(routes()) >= 20


async def test_every_route_but_health_asks_the_key_and_the_caller(desk: Desk) -> None:
    """Also those that do not exist."""
    token = ANN.token()
    wrong: list[tuple[str, dict[str, str]]] = [
        ("wrong_key", {}),
        ("wrong_key", {"Authorization": "Bearer wrong", HEADER: token}),
        ("wrong_key", {"Authorization": f"Basic {KEY}", HEADER: token}),
        ("bad_caller", {"Authorization": f"Bearer {KEY}"}),
        ("bad_caller", {"Authorization": f"Bearer {KEY}", HEADER: "x.y.z"}),
        ("bad_caller", {"Authorization": f"Bearer {KEY}", HEADER: ANN.token(key="another" * 8)}),
        ("bad_caller", {"Authorization": f"Bearer {KEY}", HEADER: ANN.token(now=time.time() - 70)}),
    ]
    for method, path in [*routes(), ("GET", "/"), ("GET", "/docs"), ("POST", "/collections/x/y/z")]:
        for code, headers in wrong:
            if path == "/health" or (path == "/openapi.json" and code == "bad_caller"):
                continue
            async with desk.session.request(method, desk.url + path, headers=headers) as answer:
                assert answer.status == 401, (method, path, headers)
                if method != "HEAD":
                    assert (await answer.json())["error"]["code"] == code
    async with desk.session.get(desk.url + "/health") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_the_api_describes_itself_behind_the_key(desk: Desk) -> None:
    """OpenAPI with an example for each body."""
    async with desk.session.get(desk.url + "/openapi.json", headers={"Authorization": f"Bearer {KEY}"}) as answer:
        document = await answer.json()
    assert document["openapi"].startswith("3.")
    assert "May I bring a dog?" in str(document)


async def test_a_body_that_is_too_large_is_a_413(desk: Desk) -> None:
    """With a length or without one, before it is read to its end."""

    async def endless() -> object:
        for _ in range(100):
            yield b"x" * 2**17

    for data in (b"x" * (5 * 2**20), endless()):
        refused = await desk.ask(ANN, "POST", "/query", data=data, headers={"Content-Type": "application/json"})
        assert (refused.status, refused.code) == (413, "too_large")
    form = {"collection": "any", "file": b"x" * (LARGEST + 1)}
    refused = await desk.ask(ANN, "POST", "/index-document", data={**form, "file": _file(LARGEST + 1)})
    assert (refused.status, refused.json["error"]["message"]) == (413, "“f.txt” is too large: a file may have 1 MiB.")
    refused = await desk.ask(ANN, "POST", "/index-document", data={**form, "file": _file(LARGEST * 3)})
    assert (refused.status, refused.code) == (413, "too_large")


def _file(size: int) -> object:
    import io

    file = io.BytesIO(b"x" * size)
    file.name = "f.txt"
    return file


def test_a_caller_is_read_as_signed() -> None:
    """Everything that decides what may be read comes back."""
    made = sign(KEY, NOW, user_id="u", email="e@x", groups=["a", "b"], assistant="s", turn="t", operator=True)
    caller = read(made, KEY, NOW + 60)
    assert (caller.user_id, caller.email, caller.groups) == ("u", "e@x", ("a", "b"))
    assert (caller.assistant, caller.turn, caller.operator, caller.token) == ("s", "t", True, made)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "open-webui"},
        {"sub": ""},
        {"sub": " "},
        {"sub": 5},
        {"sub": None},
        {"sub": "a\x00b"},
        {"groups": "staff"},
        {"groups": [1]},
        {"groups": ["a\x00"]},
        {"email": ["x"]},
        {"email": "x" * 501},
        {"iat": NOW + 6},
        {"iat": NOW - 66},
        {"exp": NOW - 6},
        {"exp": "soon"},
        {"exp": True},
        {"iat": -1},
        {"exp": float("inf")},
        {"exp": None},
    ],
)
def test_a_token_that_is_not_right_names_nobody(claims: dict[str, object]) -> None:
    """Times are strict, and claims are plain texts."""
    right = {"iss": "maitre", "sub": "u", "iat": NOW, "exp": NOW + 60}
    made = {name: value for name, value in {**right, **claims}.items() if value is not None}
    with pytest.raises(BadToken):
        read(jwt.encode(made, KEY, algorithm="HS256"), KEY, NOW)


def test_an_operator_is_one_who_is_said_to_be_exactly() -> None:
    """Nothing that is merely true makes one, and neither does another algorithm."""
    for value in (1, "true", [1], None):
        token = jwt.encode({"iss": "maitre", "sub": "u", "iat": NOW, "exp": NOW + 60, "operator": value}, KEY)
        assert not read(token, KEY, NOW).operator
    for algorithm, key in (("none", ""), ("HS512", KEY)):
        with pytest.raises(BadToken):
            read(jwt.encode({"iss": "maitre", "sub": "u", "iat": NOW, "exp": NOW}, key, algorithm=algorithm), KEY, NOW)
