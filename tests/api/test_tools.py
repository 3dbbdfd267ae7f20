"""Tools of the house and routers on the real gateway: every upstream call one row, and one answer to the guest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.api.conftest import Client
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.engine.small_house import HOUSE
from tests.tool_server import ToolServer, running_tool_server
from tests.upstream import ScriptedUpstream

TOOLS = """
tools:
  crm:
    openapi: tools/crm.json
    base_url: {url}/v1
    allow: [find]
    headers: {{ Authorization: "Bearer secret:crm" }}
    timeout_seconds: 1
    max_bytes: 500
    private: true
  inside: {{ openapi: tools/crm.json, base_url: "http://localhost.:{port}", allow: [find] }}
"""
HELPED = """---
name: Helped
model: scripted
server_tools: [calculator, crm.find, inside.find]
tool_rounds: 3
---
You use tools.
"""
AUTO = """---
name: Auto
type: router
default: host
routes:
  - { contains: [tools], assistant: helped }
  - contains: [split]
    split: { a: { assistant: host }, b: { assistant: helped } }
---
"""
DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/guests/{id}": {
            "get": {
                "operationId": "find",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            }
        }
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[ToolServer]:
    """The tools' server."""
    with running_tool_server() as started:
        yield started


@pytest.fixture(scope="module")
def tool_hall(
    tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream, server: ToolServer
) -> Iterator[Hall]:
    """A gateway of a house with tools and a router."""
    folder = tmp_path_factory.mktemp("tools")
    folder.chmod(0o755)
    files = {
        "assistants/helped.md": HELPED,
        "assistants/auto.md": AUTO,
        "tools/crm.json": json.dumps(DOCUMENT),
        ".maitre/secrets/crm": "s3cret-of-the-house\n",
    }
    for name, text in files.items():
        (folder / "house" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "house" / name).write_text(text, "utf-8")
    (folder / "house" / ".maitre").chmod(0o700)
    text = HOUSE + TOOLS.format(url=server.url, port=server.port).replace("{", "{{").replace("}", "}}")
    with seeded_hall(folder, upstream.url, text) as hall:
        hall.start("gateway")
        yield hall


@pytest.fixture
def client(tool_hall: Hall) -> Client:
    """A fresh guest on the widest plan, with a key."""
    guest = tool_hall.guest()
    return Client(tool_hall, guest, tool_hall.key(guest))


def script(*calls: tuple[str, Any], rounds: int = 1, text: str = "It is four.") -> str:
    """The words that make the upstream ask for tools first."""
    wanted = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return "script:" + json.dumps({"tool_calls": wanted, "tool_rounds": rounds, "text": text})


def chunks(answer: requests.Response) -> list[dict[str, Any]]:
    """The JSON of a stream's events; it ends with [DONE]."""
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def rows_and_calls(
    client: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any], count: int
) -> tuple[list[dict[str, Any]], list[Any]]:
    """The guest's rows and the upstream's calls, in their order: one to one, with the same usage."""
    rows = list(reversed(eventually(lambda: client.hall.settled(client.guest, count))))
    ids = [row["request_id"] for row in rows]
    calls = sorted((one for one in upstream.calls if one.request_id in ids), key=lambda one: one.number)
    assert [one.request_id for one in calls] == ids
    for row, call in zip(rows, calls, strict=True):
        counts = {name: row[name] for name in ("prompt_tokens", "completion_tokens")}
        assert call.usage is not None
        assert row["estimated"] or counts.items() <= call.usage.items()
    return rows, calls


@pytest.mark.parametrize("streamed", [True, False])
def test_a_turn_with_two_tools(
    client: Client, upstream: ScriptedUpstream, server: ToolServer, eventually: Callable[..., Any], streamed: bool
) -> None:
    """Both tools answer, the guest reads one answer with the sum of the usage, and the plan counts one request."""
    server.seen.clear()
    # So short that the upstream's count, one token a tool call, is believed.
    asked = script(("calculator", '{"expression":"-4"}'), ("crm_find", '{"id":"a"}'))
    answer = client.chat(asked, model="assistants.helped", stream=streamed, stream_options={"include_usage": True})
    assert answer.status_code == 200, answer.text
    rows, calls = rows_and_calls(client, upstream, eventually, 2)
    assert not any(row["estimated"] for row in rows)
    spent = sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)
    if streamed:
        told = chunks(answer)
        choices = [choice for chunk in told for choice in chunk["choices"]]
        assert "".join(choice["delta"].get("content") or "" for choice in choices) == "It is four."
        assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
        assert [chunk["usage"]["total_tokens"] for chunk in told if chunk.get("usage")] == [spent]
        assert len({chunk["id"] for chunk in told}) == 1
        assert "tool_calls" not in answer.text
    else:
        (choice,) = answer.json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("It is four.", "stop")
        assert "tool_calls" not in choice["message"]
        assert answer.json()["usage"]["total_tokens"] == spent
    assert [(row["kind"], row["counted"], row["status"]) for row in rows] == [("turn", 1, "done"), ("tool", 0, "done")]
    assert {row["turn_id"] for row in rows} == {answer.headers["x-router-log-id"]}
    assert [one["content"] for one in calls[1].body["messages"] if one["role"] == "tool"] == [
        "-4",
        '{"path": "/v1/guests/a"}',
    ]
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.headers["Authorization"]) == (
        "GET",
        "/v1/guests/a",
        "Bearer s3cret-of-the-house",
    )
    assert client.hall.windows(client.guest)["requests", "month"]["used"] == 1
    assert client.hall.agrees(client.guest)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_model_that_asks_for_ever(
    client: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any], streamed: bool
) -> None:
    """Three rounds and one more call; then a clear error, and every call is in the ledger."""
    answer = client.chat(
        script(("calculator", {"expression": "1"}), rounds=1000), model="assistants.helped", stream=streamed
    )
    error = chunks(answer)[-1]["error"] if streamed else answer.json()["error"]
    assert "kept asking for its tools" in error["message"]
    rows, calls = rows_and_calls(client, upstream, eventually, 4)
    assert [row["kind"] for row in rows] == ["turn", "tool", "tool", "tool"]
    assert [call.body.get("tool_choice") for call in calls] == [None, None, None, "none"]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("rm_rf", {}, "There is no such tool."),
        ("calculator", "{broken", "The arguments are no JSON."),
        ("calculator", {"expression": "__import__('os').system('id')"}, "Only numbers"),
        ("crm_find", {"id": "../admin"}, "must be a plain value without slashes"),
        ("crm_find", {"id": "..\\admin"}, "must be a plain value without slashes"),
        ("crm_find", {"id": "//evil.example/x"}, "must be a plain value without slashes"),
        ("crm_find", {"id": 5}, "The arguments do not fit"),
        ("crm_find", {"id": "x", "url": "http://evil.example"}, "The arguments do not fit"),
        ("crm_find", {"id": "redirect"}, "is not followed"),
        ("crm_find", {"id": "huge"}, "[cut: the answer is longer]"),
        ("crm_find", {"id": "silent"}, "did not answer within 1 seconds"),
        ("crm_find", {"id": "slow"}, "did not answer within 1 seconds"),
        ("crm_find", {"id": "error"}, "HTTP 404"),
        ("crm_find", {"id": "echo"}, "you sent Bearer [REDACTED]"),
        ("inside_find", {"id": "x"}, "The tool does not answer."),
    ],
)
def test_a_tool_that_goes_wrong_is_the_models_to_know(
    client: Client,
    upstream: ScriptedUpstream,
    server: ToolServer,
    eventually: Callable[..., Any],
    name: str,
    arguments: Any,
    says: str,
) -> None:
    """The guest gets an answer; nothing is reached but the one server, and no secret reaches a model."""
    server.seen.clear()
    answer = client.chat(script((name, arguments)), model="assistants.helped")
    assert answer.json()["choices"][0]["message"]["content"] == "It is four."
    _, calls = rows_and_calls(client, upstream, eventually, 2)
    (told,) = [one["content"] for one in calls[1].body["messages"] if one["role"] == "tool"]
    assert says in told
    assert "s3cret" not in json.dumps(calls[1].body)
    assert all(seen.path.startswith("/v1/guests/") for seen in server.seen)


@pytest.mark.parametrize(("text", "chosen", "variant"), [("hello", "host", {""}), ("with tools", "helped", {""})])
def test_a_router_on_the_gateway(
    client: Client, eventually: Callable[..., Any], text: str, chosen: str, variant: set[str]
) -> None:
    """The answer is the router's, the row the chosen assistant's."""
    answer = client.chat(text, model="assistants.auto")
    assert answer.status_code == 200
    assert "selected_model_id" not in answer.text
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    assert (row["assistant"], row["variant"]) == (chosen, *variant)


def test_a_split_sticks_to_the_account(client: Client, eventually: Callable[..., Any]) -> None:
    """Every turn of one account goes the same way, and the ledger names it."""
    for _ in range(3):
        client.chat("split", model="auto")
    rows = eventually(lambda: client.hall.settled(client.guest, 3))
    assert len({(row["assistant"], row["variant"]) for row in rows}) == 1
    assert (rows[0]["assistant"], rows[0]["variant"]) in (("host", "auto:a"), ("helped", "auto:b"))


def test_the_router_is_among_the_models(client: Client) -> None:
    """It is offered like any assistant."""
    assert "assistants.auto" in [one["id"] for one in client.get("/v1/models").json()["data"]]
