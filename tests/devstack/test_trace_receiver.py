"""The stand-in for Langfuse: what the real SDK sends comes back in the shape of Langfuse's public API."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from langfuse import Langfuse, propagate_attributes

from devstack import house as whole
from devstack.spans import Span, moment, total_cost
from devstack.trace_receiver import unpacked
from devstack.trace_store import TraceStore
from maitre.settings import House

from .conftest import make_house

AMOUNTS = {"input": 10, "output": 3, "total": 13}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with nothing but its trace receiver."""
    house = make_house(tmp_path_factory.mktemp("book") / "house")
    whole.up(house, only=["traces"])
    yield house
    whole.down(house.state)


def ask(house: House, path: str, **asked: Any) -> requests.Response:
    """GET with the house's keys."""
    keys = (house.secret("langfuse_public_key"), house.secret("langfuse_secret_key"))
    return requests.get(house.endpoint("traces") + path, params=asked, auth=keys, timeout=10)


def test_what_the_real_sdk_sends_comes_back(book: House) -> None:
    """A trace with its user, session, tags, metadata, nested generation, cost, error and score; nothing is lost."""
    sdk = Langfuse(
        public_key=book.secret("langfuse_public_key"),
        secret_key=book.secret("langfuse_secret_key"),
        base_url=book.endpoint("traces"),
        environment="test",
    )
    assert sdk.auth_check()
    with (
        propagate_attributes(
            user_id="ada", session_id="chat-1", tags=["door:api"], metadata={"plan": "pro"}, trace_name="turn"
        ),
        sdk.start_as_current_observation(as_type="span", name="root", input={"q": 1}) as root,
    ):
        with root.start_as_current_observation(as_type="generation", name="llm", model="m", input="hi") as call:
            call.update(output="yo", usage_details=AMOUNTS, cost_details={"input": 0.1, "output": 0.2, "total": 0.3})
        root.update(output="done", level="ERROR", status_message="the upstream failed")
        root.score_trace(name="thumbs", value=1, data_type="NUMERIC")
        id = root.trace_id
    sdk.flush()
    sdk.shutdown()

    listed = ask(book, "/api/public/traces", userId="ada").json()
    assert listed["meta"] == {"page": 1, "limit": 50, "totalItems": 1, "totalPages": 1}
    assert [trace["id"] for trace in listed["data"]] == [id]
    trace = ask(book, f"/api/public/traces/{id}").json()
    said = ("name", "userId", "sessionId", "tags", "metadata", "input", "output", "environment", "level")
    assert {key: trace[key] for key in said} == {
        "name": "turn", "userId": "ada", "sessionId": "chat-1", "tags": ["door:api"], "metadata": {"plan": "pro"},
        "input": {"q": 1}, "output": "done", "environment": "test", "level": "ERROR",
    }  # fmt: skip
    assert trace["totalCost"] == pytest.approx(0.3)
    span, generation = trace["observations"]
    assert listed["data"][0]["observations"] == [span["id"], generation["id"]]
    assert (span["parentObservationId"], generation["parentObservationId"]) == (None, span["id"])
    assert (span["level"], span["statusMessage"]) == ("ERROR", "the upstream failed")
    assert (generation["type"], generation["model"], generation["usageDetails"]) == ("GENERATION", "m", AMOUNTS)
    assert [(score["name"], score["value"]) for score in trace["scores"]] == [("thumbs", 1)]


def test_without_the_keys_nothing_is_told_or_taken(book: House) -> None:
    """Every route but the health check is closed, and every answer says that this is not Langfuse."""
    url = book.endpoint("traces")
    for answer in (
        requests.get(f"{url}/api/public/traces", timeout=10),
        requests.get(f"{url}/api/public/traces", auth=("pk", "wrong"), timeout=10),
        requests.post(f"{url}/api/public/otel/v1/traces", data=b"", timeout=10),
    ):
        assert answer.status_code == 401
        assert answer.headers["x-stands-for"] == "langfuse"
    assert requests.get(f"{url}/api/public/health", timeout=10).json()["status"] == "OK"


@pytest.mark.parametrize("body", [b"\xff\xff", b'{"resourceSpans": []}'])
@pytest.mark.parametrize("encoding", ["", "gzip", "br"])
def test_an_export_that_is_none_is_refused(book: House, body: bytes, encoding: str) -> None:
    """Bad bytes get 400 and harm nothing."""
    keys = (book.secret("langfuse_public_key"), book.secret("langfuse_secret_key"))
    url = book.endpoint("traces") + "/api/public/otel/v1/traces"
    headers = {"content-encoding": encoding} if encoding else {}
    assert requests.post(url, data=body, auth=keys, headers=headers, timeout=10).status_code == 400


def test_unknown_traces_and_pages_are_answered_plainly(book: House) -> None:
    """404 for a trace that is not there, 400 for a page that is no number, an empty page after the last."""
    assert ask(book, "/api/public/traces/none").status_code == 404
    assert ask(book, "/api/public/traces", page="x").status_code == 400
    assert ask(book, "/api/public/traces", page="99").json()["data"] == []


def test_a_packed_body_is_opened_only_up_to_a_size() -> None:
    """A small body must not become a huge one in memory."""
    assert unpacked(gzip.compress(b"abc"), "gzip") == b"abc"
    with pytest.raises(ValueError, match="too large"):
        unpacked(gzip.compress(bytes(40_000_000)), "gzip")


def span(trace: str, second: int, **said: Any) -> Span:
    """A span of a trace, which began in that second."""
    at = moment(second * 10**9)
    observation = {
        "id": f"{trace}-{second}", "traceId": trace, "startTime": at, "endTime": at, "level": "DEFAULT",
        "calculatedTotalCost": None,
    }  # fmt: skip
    return Span(observation, said)


def test_only_the_newest_traces_are_kept(tmp_path: Path) -> None:
    """The book does not grow for ever; a trace that goes takes its observations and scores along."""
    store = TraceStore(tmp_path / "book.sqlite", kept=2)
    for second in range(4):
        store.add_spans([span(f"t{second}", second)])
        store.add_score({"id": f"s{second}", "traceId": f"t{second}", "name": "thumbs", "value": 1})
    shown, total = store.traces({}, 1, 10)
    assert ([trace["id"] for trace in shown], total) == (["t3", "t2"], 2)
    assert store.trace("t0") is None
    left = store._book.execute("SELECT count(*) FROM observations").fetchone()
    assert left == (2,)
    store.close()


def test_spans_of_a_trace_may_come_late_and_twice(tmp_path: Path) -> None:
    """The child is exported before its root, and a retry sends a span again; the trace is one."""
    store = TraceStore(tmp_path / "book.sqlite")
    child, root = span("t", 2, userId="ada", metadata={"a": 1}), span("t", 1, name="turn", metadata={"b": 2})
    store.add_spans([child])
    store.add_spans([root, replace(child)])
    trace = store.trace("t")
    assert trace is not None
    assert (trace["name"], trace["userId"], trace["metadata"]) == ("turn", "ada", {"a": 1, "b": 2})
    assert (trace["timestamp"], trace["latency"], len(trace["observations"])) == (moment(10**9), 1.0, 2)
    store.close()


@pytest.mark.parametrize(
    ("details", "total"),
    [({"input": 1, "output": 2, "total": 5}, 5), ({"input": 1, "output": 2}, 3), ({}, None), (None, None)],
)
def test_the_total_cost_is_given_or_added_up(details: Any, total: float | None) -> None:
    """The SDK's total wins; parts without a total are summed; no cost is not a cost of nothing."""
    assert total_cost(details) == total
