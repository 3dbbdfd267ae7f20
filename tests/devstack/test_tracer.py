"""What our tracer tells of a turn, as the trace receiver shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from devstack import house as whole
from maitre.settings import House
from maitre.tracing.langfuse_tracer import LangfuseTracer
from maitre.tracing.trace import Report, ToolReport

from .conftest import make_house

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "ab" * 16
TOOL = ToolReport(
    ID, "crm.find", "Helped", "api", "tess", "c1", "free", "helped", NOW, NOW + timedelta(seconds=2), True, 9, 8,
    '{"id": 5}', "HTTP 404",
)  # fmt: skip
CALL = Report(
    ID, "r1", "Helped", "turn", "api", "tess", "t@x.io", "c1", "free", "helped", "local", "small", "admitted",
    "done", NOW, NOW, None, {}, "in", "out", 1, 1, False, Decimal(0), "USD", "", "auto:b",
)  # fmt: skip


@pytest.fixture
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with nothing but its trace receiver, and with keys of its own: the SDK is one for each key."""
    house = make_house(tmp_path_factory.mktemp("tracer") / "house")
    whole.up(house, only=["traces"])
    yield house
    whole.down(house.state)


def test_a_tool_and_a_variant_are_in_the_trace(book: House) -> None:
    """A use of a tool is an observation of the turn's trace, with its sizes, and so is a search for passages, with what
    it found; a split's variant is a tag."""
    keys = (book.secret("langfuse_public_key"), book.secret("langfuse_secret_key"))
    tracer = LangfuseTracer(book.endpoint("traces"), *keys)
    tracer.report(TOOL)
    notes = {"passages": 1, "ids": ["k1"], "milliseconds": 5}
    tracer.report(replace(TOOL, tool="knowledge", failed=False, type="retriever", notes=notes))
    tracer.report(CALL)
    tracer.close()
    assert tracer.counters() == {"traces_sent": 3, "traces_dropped": 0}
    url = f"{book.endpoint('traces')}/api/public/traces/{ID}"
    trace = requests.get(url, auth=keys, timeout=10).json()
    assert "variant:auto:b" in trace["tags"]
    (seen,) = [one for one in trace["observations"] if one["name"] == "crm.find"]
    assert (seen["type"], seen["level"], seen["latency"]) == ("TOOL", "WARNING", 2)
    assert (seen["input"], seen["output"]) == ({"id": 5}, "HTTP 404")
    assert {name: int(size) for name, size in seen["metadata"].items()} == {"arguments_size": 9, "result_size": 8}
    (search,) = [one for one in trace["observations"] if one["name"] == "knowledge"]
    assert (search["type"], int(search["metadata"]["passages"])) == ("RETRIEVER", 1)
    assert "k1" in str(search["metadata"]["ids"])
