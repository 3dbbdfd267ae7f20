"""Which requests get past the host's guard: the key, the exact path, the size, the shape."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway import bodies
from gateway.intake import Intake
from gateway.keys import right_key
from gateway.paths import Route, methods_of, plain
from tests.gateway.client import CHAT, KEY, House, asked, client, signed

ROUTES = (
    Route("/", frozenset({"GET"})),
    Route("/models", frozenset({"GET"})),
    Route("/{id}/valves", frozenset({"GET"})),
    Route("/{id}/valves/update", frozenset({"POST"})),
    Route("/pipelines", frozenset({"GET"})),
    Route("/v1/pipelines/reload", frozenset({"POST"})),
    Route("/docs", frozenset({"GET", "HEAD"})),
)

#: Paths as they are read, as they were sent, and whether they are spelled plainly.
SPELLINGS: list[tuple[str, bytes | None, bool]] = [
    ("/", b"/", True),
    ("/models", b"/models", True),
    ("/assistants.coach/filter/inlet", b"/assistants.coach/filter/inlet", True),
    ("/models", None, False),
    ("/models", b"/%6dodels", False),
    ("/a b", b"/a%20b", False),
    ("/a%20b", b"/a%20b", False),
    ("/models", b"/Models", False),
    ("", b"", False),
    ("models", b"models", False),
    ("http://x/models", b"http://x/models", False),
    ("/models/", b"/models/", False),
    ("//models", b"//models", False),
    ("/x//valves", b"/x//valves", False),
    ("/../models", b"/../models", False),
    ("/x/./valves", b"/x/./valves", False),
    ("/x/..", b"/x/..", False),
    ("/x\\valves", b"/x\\valves", False),
    ("/x;a/valves", b"/x;a/valves", False),
    ("/x\n/valves", b"/x\n/valves", False),
    ("/ї/valves", "/ї/valves".encode(), False),
]


@pytest.mark.parametrize(("path", "sent", "good"), SPELLINGS)
def test_a_path_has_one_spelling(path: str, sent: bytes | None, good: bool) -> None:
    """What a server, a proxy and a router could read in two ways leads nowhere."""
    assert plain(path, sent) is good


@pytest.mark.parametrize(
    ("path", "methods", "with_management"),
    [
        ("/", {"GET"}, {"GET"}),
        ("/x/valves", {"GET"}, {"GET"}),
        ("/x/y/valves", set(), set()),
        ("/x/valves/update", {"POST"}, {"POST"}),
        ("/pipelines", {"GET"}, {"GET"}),
        ("/v1/pipelines/reload", set(), {"POST"}),
        ("/docs", set(), {"GET", "HEAD"}),
        ("/v1/nowhere", set(), set()),
        ("/modelsx", set(), set()),
    ],
)
def test_only_the_upstreams_own_routes_lead_anywhere(path: str, methods: set[str], with_management: set[str]) -> None:
    """And those that load code or describe it only when the operator opens them."""
    assert methods_of(ROUTES, path, management=False) == methods
    assert methods_of(ROUTES, path, management=True) == with_management


@pytest.mark.parametrize(
    ("values", "right"),
    [
        ([], False),
        ([b"Bearer the-key"], True),
        ([b"bearer the-key"], True),
        ([b"Bearer the-key "], False),
        ([b"Bearer the-ke"], False),
        ([b"Bearer "], False),
        ([b"the-key"], False),
        ([b"Basic the-key"], False),
        ([b"Bearer \xd1\x97"], False),
        ([b"Bearer the-key", b"Bearer the-key"], False),
        ([b"Bearer wrong", b"Bearer the-key"], False),
    ],
)
def test_the_key_is_sent_once_and_exactly(values: list[bytes], right: bool) -> None:
    """A second header, of which another server might read the other one, is no key."""
    assert right_key(values, "the-key") is right


async def test_the_health_check_alone_needs_no_key() -> None:
    """It says that the server is there, and nothing else."""
    house = House()
    answer = await house.ask(client("GET", "/healthz"))
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    for method, path in (("HEAD", "/healthz"), ("POST", "/healthz"), ("GET", "/healthz/"), ("GET", "/health")):
        assert (await house.ask(client(method, path))).status == 401


async def test_a_wrong_method_is_not_the_upstreams_to_answer() -> None:
    """OPTIONS among them: nobody may call this server from a page."""
    house, headers = House(), {"Authorization": f"Bearer {KEY}"}
    for method in ("OPTIONS", "HEAD", "PUT", "TRACE", "POST"):
        answer = await house.ask(client(method, "/x/valves", headers))
        assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert house.upstream.bodies == []
    assert (await house.ask(client("GET", "/x/valves", headers))).body == b"theirs"


@pytest.mark.parametrize("path", [CHAT, "/quota_filter/valves"])
async def test_a_body_that_is_too_large_is_not_read(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its declared length nothing of it is read; without one, no more than is allowed."""
    monkeypatch.setattr(bodies, "LARGEST", 1000)
    house, method = House(), "POST" if path == CHAT else "GET"
    declared = client(method, path, {**signed(), "Content-Length": "200000000"}, b"x" * 200, b"x")
    answer = await house.ask(declared)
    assert (answer.status, declared.taken, answer.headers["connection"]) == (413, 0, "close")
    assert answer.json()["error"]["type"] == "invalid_request_error"
    chunked = client(method, path, signed(), *[b"x" * 300] * 1000)
    assert ((await house.ask(chunked)).status, chunked.taken) == (413, 4)
    assert (house.upstream.bodies, house.turns.requests) == ([], [])


@pytest.mark.parametrize("part", ["{}", "[]", "1", '""'])
async def test_a_body_of_too_many_tiny_parts_is_not_parsed(part: str) -> None:
    """Its parsing would hold up everybody, and its values fill the memory."""
    house = House()
    many = b'{"messages":[' + f"{part},".encode() * 1_000_000 + b"1]}"
    for path in (CHAT, "/quota_filter/valves"):
        answer = await house.ask(client("POST" if path == CHAT else "GET", path, signed(), many))
        assert (answer.status, answer.json()["error"]["message"]) == (413, "The request has too many parts.")
    assert (house.upstream.bodies, house.turns.requests) == ([], [])


async def test_bodies_wait_for_room_and_not_for_ever() -> None:
    """While as much is read as may be, the next body waits; it is read when there is room, and refused when there is
    none for too long. A small one still fits."""
    house = House()
    house.host._intake = Intake(1000, patience=0.05)
    large = {**signed(), "Content-Length": "900"}
    body = asked().ljust(900)
    async with house.host._intake.room(500):
        refused = client("POST", CHAT, large, body)
        answer = await house.ask(refused)
        assert (answer.status, answer.headers["retry-after"], refused.taken) == (503, "10", 0)
        small = client("POST", CHAT, {**signed(), "Content-Length": str(len(asked()))}, asked())
        assert (await house.ask(small)).status == 200
    house.host._intake = Intake(1000)
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(house.ask(client("POST", CHAT, {**signed(), **large}, body))) for _ in range(2)]
    assert [one.result().status for one in both] == [200, 200]


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends half of its request holds nothing for long."""
    monkeypatch.setattr(bodies, "PATIENCE", 0.01)
    house, one = House(), client("POST", CHAT, signed(), b"half", b"never")
    receive = one.receive

    async def half() -> Any:
        event = await receive()
        if event["body"] == b"never":
            await one._gone.wait()
        return event

    one.receive = half  # type: ignore[method-assign]
    assert (await house.ask(one)).status == 408


async def test_a_client_that_leaves_before_its_body_is_whole_gets_nothing() -> None:
    """Nobody reads an answer."""
    house, one = House(), client("POST", CHAT, signed(), b"half")
    one._pieces = []
    one.leave()
    assert (await house.ask(one)).status == 0


#: Bodies that are no JSON object; they are a client's fault.
BROKEN = [b"", b"hello", b"[]", b"5", b"null", b"\xff\xfe", b'{"a":', b"[" * 100_000, b'{"a":' + b"1" * 5000 + b"}"]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
async def test_a_body_that_cannot_be_read_is_a_bad_request(body: bytes) -> None:
    """However it is broken: in OpenAI's shape, and nobody is asked."""
    house = House()
    answer = await house.ask(client("POST", CHAT, signed(), body))
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json()["error"]["code"] == 400
    assert (house.upstream.bodies, house.turns.requests) == ([], [])


async def test_every_piece_of_a_body_counts() -> None:
    """A request that comes in pieces is served whole."""
    house, whole = House(), asked()
    answer = await house.ask(client("POST", CHAT, signed(), *(bytes([byte]) for byte in whole)))
    assert answer.status == 200
    assert house.turns.requests[0].messages == json.loads(whole)["messages"]


async def test_an_operator_may_open_the_management() -> None:
    """Then it passes, with the key."""
    headers = {"Authorization": f"Bearer {KEY}"}
    for management, status in ((False, 404), (True, 200)):
        house = House(management=management)
        assert (await house.ask(client("POST", "/pipelines/upload", headers))).status == status
        assert (await house.ask(client("POST", "/pipelines/upload"))).status == 401
