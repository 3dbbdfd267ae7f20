"""The guarded way to a tool's server: one place, bounded in size and time, and no secret comes back."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from maitre.errors import ToolFault
from maitre.knowledge.passage import Reader
from maitre.tools.openapi import Operation, Parameter
from maitre.tools.source import Source
from maitre.tools.tool import Behalf, Outcome
from maitre.tools.tools_http import HttpTools
from tests.tool_server import ToolServer, tool_server

PARAMETERS = (Parameter("what", "path", True, {}), Parameter("X-Trace", "header", False, {}))
CALL = Operation("call", "POST", "/v1/{what}", "", PARAMETERS, {}, False)
SECRET = "s3cret-of-the-house"


@pytest.fixture
async def server() -> AsyncIterator[ToolServer]:
    """A tool's server on loopback."""
    async with tool_server() as started:
        yield started


def source(url: str, **fields: Any) -> Source:
    """It as the operator wrote it."""
    known = Source("crm", url, (CALL,), {"Authorization": f"Bearer {SECRET}"}, (SECRET,), 5, 1000, True)
    return replace(known, **fields)


async def use(one: Source, what: str = "x", **arguments: Any) -> Outcome:
    """What the model reads."""
    tools = HttpTools([one])
    try:
        ((_, call),) = tools.tools()
        return await call({"what": what, **arguments}, Behalf(Reader("u1")))
    finally:
        await tools.close()


async def test_a_request_is_what_the_document_says(server: ToolServer) -> None:
    """Method, path, the model's header and body, the operator's headers, and nothing of the environment."""
    outcome = await use(source(server.url), "a b", body={"n": 1}, **{"X-Trace": "t"})
    assert outcome == Outcome('{"path": "/v1/a%20b"}')
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/a%20b", b'{"n": 1}')
    assert seen.headers["Authorization"] == f"Bearer {SECRET}"
    assert (seen.headers["X-Trace"], seen.headers["Content-Type"]) == ("t", "application/json")
    assert seen.headers["Host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("what", "text", "failed"),
    [
        ("redirect", "The tool answered with a redirect (302), which is not followed.", True),
        ("loop", "The tool answered with a redirect (307), which is not followed.", True),
        ("error", 'HTTP 404\n{"error": "no such guest"}', True),
        ("picture", "The tool answered 200 with something that is no text.", True),
        ("packed", "The tool answered in an encoding that cannot be read.", True),
        ("echo", "you sent Bearer [REDACTED]", False),
        ("empty", "HTTP 204", False),
        ("bytes", "\ufffd\x00ok", False),
        ("huge", "x" * 1000 + "\n[cut: the answer is longer]", False),
    ],
)
async def test_whatever_a_server_answers_is_a_text(server: ToolServer, what: str, text: str, failed: bool) -> None:
    """A redirect is not followed, an error is told, what is large is cut, and no secret is repeated."""
    assert await use(source(server.url), what) == Outcome(text, failed)
    assert len(server.seen) == 1


@pytest.mark.parametrize("what", ["silent", "slow"])
async def test_a_server_that_is_slow_is_not_waited_for(server: ToolServer, what: str) -> None:
    """Neither one that says nothing nor one that says a little for ever."""
    with pytest.raises(ToolFault, match=r"did not answer within 0\.2 seconds"):
        await use(source(server.url, timeout_seconds=0.2, max_bytes=1_000_000), what)


async def test_a_server_that_is_down() -> None:
    """A sentence, without what the library says."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ToolFault, match=r"^The tool does not answer\.$"):
            await use(source(f"http://127.0.0.1:{taken.getsockname()[1]}"))


async def test_a_secret_at_the_cut_is_not_told_in_part(server: ToolServer) -> None:
    """An answer that ends in the middle of a secret ends before it."""
    for size in range(10, 40):
        outcome = await use(source(server.url, max_bytes=size), "echo")
        assert not any(SECRET[:length] in outcome.text for length in range(3, len(SECRET)))


async def test_cookies_are_not_kept(server: ToolServer) -> None:
    """One guest's session is not the next one's."""
    tools = HttpTools([source(server.url)])
    ((_, call),) = tools.tools()
    for _ in range(2):
        await call({"what": "cookie"}, Behalf(Reader("u1")))
    await tools.close()
    assert not [seen for seen in server.seen if "Cookie" in seen.headers]


HOSTS = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0",
    "0.0.0.0",
)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_closed_address_is_not_reached(server: ToolServer, host: str) -> None:
    """However loopback is written, nothing is sent there unless the operator said that it is private."""
    with pytest.raises(ToolFault, match="does not answer|may not reach"):
        await use(source(f"http://{host}:{server.port}", private=False))
    assert server.seen == []


@pytest.mark.parametrize(
    "answers", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], []]
)
async def test_a_name_that_leads_inside_is_refused(
    server: ToolServer, answers: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when only one of its addresses does; the log says which name."""
    resolve(monkeypatch, [answers], server.port)
    with pytest.raises(ToolFault, match="does not answer"):
        await use(source(f"http://crm.example.com:{server.port}", private=False))
    assert server.seen == []
    assert "“crm.example.com” leads to an address that is not open" in caplog.text


async def test_a_name_is_looked_at_for_every_connection(server: ToolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was fine once (rebinding) is refused when it leads inside, and connected to is what was looked at."""
    looks = resolve(monkeypatch, [["203.0.113.1"], ["127.0.0.1"]], server.port)
    monkeypatch.setattr("maitre.tools.tools_http.is_open", lambda text: text == "203.0.113.1")
    tools = HttpTools([source(f"http://crm.example.com:{server.port}", private=False, timeout_seconds=0.3)])
    ((_, call),) = tools.tools()
    for _ in range(2):
        with pytest.raises(ToolFault):
            await call({"what": "x"}, Behalf(Reader("u1")))
    await tools.close()
    assert looks == ["crm.example.com", "crm.example.com"]
    assert server.seen == []


def resolve(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]], port: int) -> list[str]:
    """Let names lead to these addresses, the last ones for ever; the names that are asked for."""
    asked: list[str] = []

    async def getaddrinfo(self: Any, host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", getaddrinfo)
    return asked
